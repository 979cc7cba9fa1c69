"""Real runs in processes of their own, quick to start and easy to kill.

A kill is a SIGKILL that the process sends to itself at a stage: nothing is flushed, closed or
undone.
"""

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

from tests.support.forked import run_in_child

# what is counted before a kill, and up to where: pages, calls, or SQL statements of the stage
KILL_POINTS = {
    "page": (1, 2, 3, 5, 8),
    "normalize": (1, 2, 3),  # of more than one where a full sync misses something
    "load": (1, 5, 9, 13, 20, 30, 40),
    "removal": (1, 2, 3, 4),
    "note": (1, 3, 5, 7),
    "models": (1,),
    "dbt": (1, 30, 100, 200, 400, 600, 800),
    "publish": (1, 10, 18, 19),  # files that reach the disk, the last the pointer
}


@dataclass(frozen=True)
class Kill:
    """Dies at the n-th event of a kind, or not at all if there are fewer."""

    point: str
    count: int


def run(
    folder: Path, environment: dict[str, str], kill: Kill | None = None, *arguments: str
) -> tuple[int, str]:
    """Run `elt run` in a process of its own.

    Args:
        folder: of this history; for what the process prints.
        environment: settings, beside those of this process.
        kill: where the process dies.
        arguments: of `elt run`.

    Returns:
        The exit code, minus the signal's number if it was killed, and what was printed.
    """
    ended = run_in_child(
        _elt_run,
        folder,
        kill,
        arguments,
        output=folder / "output",
        environment={**os.environ, **environment},
    )
    return ended.exit_code, ended.stdout + ended.stderr


def _elt_run(folder: Path, kill: Kill | None, arguments: tuple[str, ...]) -> int:
    from extract import folder as data_folder
    from extract import settings
    from extract.__main__ import main
    from extract.pacing import Clock
    from tests.support.dbt import dbt_in_this_process
    from tests.support.waiting import SkippedWaits

    skipped = SkippedWaits()
    patch.multiple(
        Clock, now=lambda clock: skipped.now(clock), wait=lambda *given: skipped.wait(*given)
    ).start()
    if seconds := os.environ.get("CONVERGENCE_TIMEOUT"):
        patch.object(settings, "TIMEOUTS", (10, float(seconds))).start()
    patch.object(data_folder, "LAST_RUN", folder / "last_run").start()
    patch("publish.dashboard.is_installed", lambda: False).start()  # it takes seconds
    dbt_in_this_process(folder, parsed=None)  # an environment variable names the parsed project
    if kill:
        _arm(kill)
    return main(["run", *arguments])


def _arm(kill: Kill) -> None:
    """Make this process kill itself."""
    import dlt
    from dbt.adapters.sql.connections import SQLConnectionManager
    from dlt.destinations.impl.duckdb.sql_client import DuckDbSqlClient

    from extract import dbt_build, pipeline, warehouse
    from extract.batches import Batches
    from publish import schemas, versions

    places: dict[str, tuple[Any, str]] = {
        "page": (Batches, "__call__"),
        "normalize": (dlt.Pipeline, "normalize"),
        "models": (dbt_build, "build"),
        "dbt": (SQLConnectionManager, "add_query"),
        "publish": (versions, "to_disk"),
    }
    # these stages are counted in statements from their beginning
    stages: dict[str, tuple[Any, str]] = {
        "load": (pipeline, "_load"),
        "removal": (warehouse, "remove_unlisted"),
        "note": (pipeline, "_note"),
    }
    statement: tuple[Any, str] = (DuckDbSqlClient, "execute_query")
    if os.environ.get("ELT__DESTINATION") == "postgres":
        from dlt.destinations.impl.postgres.sql_client import Psycopg2SqlClient

        statement = (Psycopg2SqlClient, "execute_query")
        places["publish"] = (schemas, "_schemas")  # before the swap, and after it
    if kill.point in places:
        _patch(places[kill.point], lambda function: _dying(function, kill.count))
    else:
        _patch(
            stages[kill.point],
            lambda function: _then(
                lambda: _patch(statement, lambda query: _dying(query, kill.count)), function
            ),
        )


def _patch(place: tuple[Any, str], wrap: Callable[[Callable[..., Any]], Any]) -> None:
    owner, name = place
    patch.object(owner, name, wrap(getattr(owner, name))).start()


def _then(first: Callable[[], None], function: Callable[..., Any]) -> Callable[..., Any]:
    def both(*args: Any, **kwargs: Any) -> Any:
        first()
        return function(*args, **kwargs)

    return both


def _dying(function: Callable[..., Any], count: int) -> Callable[..., Any]:
    left = [count]

    def counted(*args: Any, **kwargs: Any) -> Any:
        left[0] -= 1
        if left[0] <= 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*args, **kwargs)

    return counted
