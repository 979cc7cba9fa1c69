"""A history of five complete runs in which each contact lives one story, and what each run left.

Run 1 is the first, run 2 an incremental sync, runs 3 and 4 are full syncs. Before run 4 the API
begins to send what nobody expects; before run 5 the raw tables are damaged. The time zone of the
machine is not UTC.
"""

import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import duckdb

from extract import settings
from extract.sandbox.server import ApiServer
from tests.support import drift
from tests.support.builders import Lists, Row, lead, user
from tests.support.dbt import dbt_in_this_process
from tests.support.elt import API_KEY, SETTINGS
from tests.support.forked import run_in_child

TIME_ZONE = "Pacific/Auckland"  # half of the time, its date is not that of UTC
FIRST_SEEN = 1767225600  # 2026-01-01 00:00:00 UTC
UNCHANGED = range(301, 321)  # ids of users that stay as they are

ARGUMENTS = ((), (), ("--full-refresh",), ("--full-refresh",), ())
DAMAGE = (
    "insert into raw.leads from raw.leads where crmhero_user_id = 2",
    "insert into raw.users from raw.users where user_id = 'c'",
    "insert into raw.elt_runs from raw.elt_runs limit 1",
)


def lists_of_runs() -> Iterator[Lists]:
    """Yield what the API lists when each run is made."""
    leads = [
        *(lead(number, 60) for number in (1, 2, 21, 22, 40)),
        lead(30, 60, first_seen_at=FIRST_SEEN),
        lead(41, 600),  # an incremental sync does not come to the end of the list
    ]
    users = [
        user("a", 10, 40),
        user("b", None, 30),
        user("c", 11, 20, was_lead=1),
        user("d", None, 10),
        user("u24", 24, 60),
        user("u25", 25, 60),
        user("late", None, 60),
        user("gone", 59, 60),
        user("voter", 60, 60, nps_vote=9),
        # two accounts each of contacts 201 and 202
        user("x", 201, 60),
        user("y", 201, last_update=None),
        user("z", 202, 60, last_update="2126-01-01 00:00:00"),
        user("w", 202, 61),
        user("old", 62, 600),
        *(user(f"same{number}", number, number) for number in UNCHANGED),
    ]
    yield {"leads": leads, "users": users}

    # leads 1 and 30 sign up: the API forgets that the one was a lead, and the other's first visit;
    # users `b` and `late` get an id as a contact, user `gone` loses it
    leads = [*_without(leads, 1, 30), lead(3, -1)]
    users = [
        *_without(users, "a", "b", "late", "gone"),
        user("e", 1, -4, was_lead=0),
        user("a30", 30, -1, nps_vote=9),
        user("a", 10, -2, email="new@example.com"),
        user("b", 12, -3),
        user("late", 58, -1),
        user("gone", None, -2),
    ]
    yield {"leads": leads, "users": users}

    # lead 21 signs up, lead 40 visits, lead 22 and some users are deleted
    visit = {"last_activity": 1780000000, "browser_name": "Other", "city": "Rome"}
    leads = [*_without(leads, 21, 22, 40), lead(40, 60, **visit)]
    users = [
        *_without(users, "d", "u24", "u25", "gone"),
        user("was21", 21, -10, was_lead=1),
        user("u25", 25, -11, email="new25@example.com"),
    ]
    yield {"leads": leads, "users": users}

    leads = [*leads, lead(22, -20)]  # it is back
    yield {
        "leads": [
            {},
            *leads,
            *drift.leads_of_values(10_000),
            *drift.leads_of_keys(),
            *drift.leads_of_attributes(20_000),
            lead(30_000, new_field="new"),
        ],
        "users": [
            {},
            *users,
            *drift.users_of_values(11_000),
            *drift.users_of_keys(),
            *drift.users_of_attributes(21_000),
        ],
    }

    yield {"leads": [*leads, lead(23, -40)], "users": users}


def _without(rows: list[Row], *keys: int | str) -> list[Row]:
    return [row for row in rows if not {row["crmhero_user_id"], row.get("user_id")} & {*keys}]


@dataclass(frozen=True)
class Run:
    """How a run ended, and between which times it was made (UTC, without a time zone)."""

    exit_code: int
    stdout: str
    stderr: str
    began_at: str
    ended_at: str

    def was_at(self, timestamp: datetime) -> bool:
        """Return whether a time, UTC without a time zone, is within the run."""
        began_at, ended_at = map(datetime.fromisoformat, (self.began_at, self.ended_at))
        return began_at <= timestamp <= ended_at


class History:
    """What is recorded of the runs.

    Args:
        folder: made by `make_history`.
    """

    def __init__(self, folder: Path) -> None:
        self.data = folder / "data"  # the data folder after the last run
        self._folder = folder
        runs = json.loads((folder / "runs.json").read_text())
        self._runs = [Run(**run) for run in runs]

    def run(self, number: int) -> Run:
        """Return how a run ended; 1 is the first."""
        return self._runs[number - 1]

    def rows(self, number: int, sql: str) -> list[tuple[Any, ...]]:
        """Query the warehouse as a run left it."""
        path = str(self._folder / str(number) / "warehouse.duckdb")
        with duckdb.connect(path, read_only=True) as warehouse:
            return warehouse.sql(sql).fetchall()


def make_history(folder: Path, parsed: Path) -> None:
    """Make all runs in a folder, and record the warehouse after each.

    Args:
        folder: is created.
        parsed: the file of the parsed dbt project.
    """
    data, output = folder / "data", folder / "output"
    lists: Lists = {}
    runs = []
    with ApiServer(lambda: lists, API_KEY) as api:
        environment = {
            **{name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
            **SETTINGS,
            "TZ": TIME_ZONE,
            "ELT__DATA_DIR": str(data),
            "SOURCES__ANALYTICS_API__BASE_URL": api.url,
            "SOURCES__ANALYTICS_API__API_KEY": API_KEY,
        }
        for number, changed in enumerate(lists_of_runs(), start=1):
            lists.update(changed)
            if number == len(ARGUMENTS):
                with duckdb.connect(str(data / "warehouse.duckdb")) as warehouse:
                    for statement in DAMAGE:
                        warehouse.execute(statement)
            began_at = _now()
            ended = run_in_child(
                _run, output, parsed, ARGUMENTS[number - 1], output=output, environment=environment
            )
            runs.append(Run(*ended, began_at, _now()))
            recorded = folder / str(number)
            recorded.mkdir()
            shutil.copy(data / "warehouse.duckdb", recorded)
    (folder / "runs.json").write_text(json.dumps([asdict(run) for run in runs]))


def _now() -> str:
    return datetime.now(UTC).replace(tzinfo=None).isoformat(" ")


def _connect(
    connect: Callable[..., duckdb.DuckDBPyConnection], *arguments: Any, **options: Any
) -> duckdb.DuckDBPyConnection:
    """Open a database as DuckDB does on a machine in the time zone."""
    connection = connect(*arguments, **options)
    connection.execute(f"set global TimeZone = '{TIME_ZONE}'")
    return connection


def _run(output: Path, parsed: Path, arguments: tuple[str, ...]) -> int:
    from extract import folder
    from extract.__main__ import main
    from publish import dashboard

    time.tzset()
    # DuckDB took the time zone when the fork server imported it
    connect = partial(_connect, duckdb.connect)
    patch.object(duckdb, "connect", connect).start()
    sys.path.insert(0, str(settings.ROOT))
    patch.object(folder, "LAST_RUN", output / "last_run").start()
    patch.object(dashboard, "is_installed", lambda: False).start()
    dbt_in_this_process(output, parsed)
    return main(["run", *arguments])
