"""A warehouse on a PostgreSQL server converges, too: kills, shifting pages, a random history."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import psycopg2
import pytest

from tests.support.convergence.checks import MARTS
from tests.support.convergence.machine import Convergence
from tests.support.convergence.stories import (
    Kills,
    disturb,
    kill_runs,
    shift_pages,
    try_histories,
)
from tests.support.databases import new_database

KILLS: dict[str, Kills] = {
    "full": [
        *(("page", 2), ("normalize", 1), ("normalize", 3), ("load", 5), ("load", 30)),
        *(("removal", 1), ("removal", 3), ("note", 3), ("dbt", 200), ("publish", 1)),
    ],
    "incremental": [("load", 13), ("note", 5), ("models", 1), ("dbt", 20), ("publish", 4)],
}

pytestmark = pytest.mark.xdist_group("postgres")


class OnPostgres(Convergence):
    """A history of a warehouse on a server."""

    server = ""

    def __init__(self, max_in_flight: int = 0) -> None:
        super().__init__(max_in_flight)
        self.url = new_database(self.server)

    def query(self, *statements: str) -> list[list[tuple[Any, ...]]]:
        """Query the server."""
        with closing(psycopg2.connect(self.url)) as session, session.cursor() as cursor:
            cursor.execute("select schemaname || '.' || tablename from pg_tables")
            tables = {table for (table,) in cursor.fetchall()}
            found: list[list[tuple[Any, ...]]] = []
            for sql in statements:
                found.append([])
                if sql.partition(" from ")[2].split()[0] in tables:
                    cursor.execute(sql)
                    found[-1] = cursor.fetchall()
            return found

    def published(self) -> tuple[str, list[Any]]:
        """Return what readers see: the version, and the rows of some marts."""
        (published,) = self.query("select version, mart, row_count from marts.published")
        if not published:
            return "", []
        for _, mart, count in published:
            assert self.query(f"select count(*) from marts.{mart}") == [[(count,)]]
        ((version,),) = {row[:1] for row in published}
        return version, self.rows(*(f"marts.{mart}" for mart in MARTS))

    def _environment(self, kind: str) -> dict[str, str]:
        return {
            **super()._environment(kind),
            "ELT__DESTINATION": "postgres",
            "DESTINATION__POSTGRES__CREDENTIALS": self.url,
        }


@pytest.fixture
def on_server(server: str, monkeypatch: pytest.MonkeyPatch) -> type[OnPostgres]:
    """The kind of history whose databases are on this session's server."""
    monkeypatch.setattr(OnPostgres, "server", server)
    return OnPostgres


@pytest.fixture
def machine(on_server: type[OnPostgres]) -> Iterator[OnPostgres]:
    """A warehouse that was loaded once, and an API whose contacts a test changes."""
    machine = on_server(4)
    try:
        machine.good_run([], "incremental", [], stop=True)
        yield machine
    finally:
        machine.teardown()


@pytest.mark.parametrize("kind", KILLS)
def test_a_run_may_be_killed_at_any_stage(machine: OnPostgres, kind: str) -> None:
    kill_runs(machine, kind, KILLS[kind])


def test_pages_shift_while_they_are_read(machine: OnPostgres) -> None:
    shift_pages(machine, times=2)
    disturb(machine, ("leads",))


def test_a_random_history(on_server: type[OnPostgres]) -> None:
    try_histories(on_server, number=1, histories=1)
