"""A server for all tests, and a database of its own for each."""

import uuid
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import psycopg2
import pytest

from tests.conftest import Query
from tests.engines.postgres import find_postgres, postgres_server


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """The URL of a PostgreSQL server's first database."""
    if not find_postgres():
        # The reason to skip: a server is the system's, no Python package brings it. Who has none
        # can still run all other tests, and pytest's summary names what was left out and what to
        # install. CI leaves out none: .ci/run installs a server, or fails.
        pytest.skip("needs a PostgreSQL server: apt-get install postgresql, or initdb on the PATH")
    with postgres_server() as url:
        yield url


@pytest.fixture
def database(server: str) -> str:
    """The URL of an empty database."""
    return new_database(server)


@pytest.fixture
def on_postgres(database: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Let commands of `elt` work on an empty database, and return its URL."""
    monkeypatch.setenv("ELT__DESTINATION", "postgres")
    monkeypatch.setenv("DESTINATION__POSTGRES__CREDENTIALS", database)
    return database


@pytest.fixture
def query(on_postgres: str) -> Query:
    """Ask the database of this test."""
    return lambda sql: ask(on_postgres, sql)


def new_database(server: str) -> str:
    """Make an empty database, and return its URL."""
    name = f"d{uuid.uuid4().hex}"
    ask(server, f"create database {name}")
    return server.rpartition("/")[0] + f"/{name}"


def ask(url: str, sql: str) -> list[tuple[Any, ...]]:
    """Return the rows of a query, or none of another statement."""
    with closing(psycopg2.connect(url)) as session:
        session.autocommit = True
        with session.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchall() if cursor.description else []
