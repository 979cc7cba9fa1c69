"""A warehouse on a PostgreSQL server converges, too: kills, shifting pages, a random history."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import psycopg2
import pytest
from hypothesis import seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.convergence.checks import MARTS
from tests.convergence.machine import Convergence
from tests.convergence.test_convergence import PROFILE, changes, kill_runs
from tests.engines.conftest import new_database

KILLS = {
    "full": [
        *(("page", 2), ("normalize", 1), ("normalize", 3), ("load", 5), ("load", 30)),
        *(("removal", 1), ("removal", 3), ("note", 3), ("dbt", 200), ("publish", 1)),
    ],
    "incremental": [("load", 13), ("note", 5), ("models", 1), ("dbt", 20), ("publish", 4)],
}


class OnPostgres(Convergence):
    """A history of a warehouse on a server."""

    server: str

    def __init__(self, max_in_flight: int = 0) -> None:
        super().__init__(max_in_flight)
        self.url = new_database(self.server)

    def query(self, *statements: str) -> list[list[tuple[Any, ...]]]:
        """Ask the server."""
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
def machine(server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[OnPostgres]:
    """A history that a test tells, of a warehouse that was loaded once."""
    monkeypatch.setattr(OnPostgres, "server", server, raising=False)
    machine = OnPostgres(4)
    try:
        machine.good_run([], "incremental", [], stop=True)
        yield machine
    finally:
        machine.teardown()


@pytest.mark.parametrize("kind", KILLS)
def test_a_run_may_be_killed_at_any_stage(machine: OnPostgres, kind: str) -> None:
    kill_runs(machine, kind, KILLS[kind])


def test_pages_shift_while_they_are_read(machine: OnPostgres) -> None:
    for number in range(2):
        shifts = [(3 * n + number, event) for n, event in enumerate(changes(number))]
        machine.good_run(changes(number), "full", shifts, stop=True)
        machine.good_run([], "incremental", shifts, stop=True)
    machine.api_lists_nothing(changes(5), "leads")
    machine.second_run_at_once(changes(6), 0, "users")
    machine.local_state_is_lost(garbage=True)
    machine.good_run([("restore", n, 60, 0) for n in range(3)], "full", [], stop=False)


def test_a_random_history(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(OnPostgres, "server", server, raising=False)
    run_state_machine_as_test(seed(1)(OnPostgres), settings=settings(PROFILE, max_examples=1))
