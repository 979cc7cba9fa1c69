"""A PostgreSQL server for all tests of a worker, and an empty database for each."""

import uuid
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from tests.support.dbt import PARSED, dbt_in_children, run_dbt
from tests.support.forked import Ended
from tests.support.postgres import find_postgres, postgres_server
from tests.support.skips import skip_without

# of each test: dbt parses the project again for a database of another name
DATABASE = "contacts_of_a_test"


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """The URL of a PostgreSQL server's first database."""
    if not find_postgres():
        skip_without("needs a PostgreSQL server: apt-get install postgresql, or initdb on the PATH")
    with postgres_server() as url:
        yield url


@pytest.fixture
def database(server: str) -> str:
    """The URL of an empty database."""
    ask(server, f"drop database if exists {DATABASE} with (force)")
    return new_database(server, DATABASE)


@pytest.fixture
def on_postgres(database: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Let commands of `elt` work on an empty database, and return its URL."""
    monkeypatch.setenv("ELT__DESTINATION", "postgres")
    monkeypatch.setenv("DESTINATION__POSTGRES__CREDENTIALS", database)
    return database


@pytest.fixture
def with_dbt_on_postgres(tmp_path: Path) -> Iterator[None]:
    """Run dbt in forked children; the first parses the project for PostgreSQL."""
    with dbt_in_children(tmp_path, parsed=None):
        yield


def run_dbt_on_postgres(
    url: str, project: Path, output: Path, data_dir: Path, *arguments: str
) -> Ended:
    """Run a command of dbt as `docs/engines.md` describes it, with the parsed project of a run."""
    parts = psycopg2.extensions.parse_dsn(url)
    names = {"user": "username", "dbname": "database"}
    credentials = {
        f"DLT__CREDENTIALS__{names.get(name, name).upper()}": value for name, value in parts.items()
    }
    parsed = {PARSED: str(data_dir / "dbt" / "partial_parse.msgpack")}
    return run_dbt(project, *arguments, output=output, profile="postgres", **credentials, **parsed)


def new_database(server: str, name: str = "") -> str:
    """Make an empty database, and return its URL.

    Args:
        server: the URL of the server's first database.
        name: of the new one; by default, one that no other has.
    """
    name = name or f"d{uuid.uuid4().hex}"
    ask(server, f"create database {name}")
    return server.rpartition("/")[0] + f"/{name}"


def as_superuser(url: str) -> str:
    """Return the URL of a database for the server's superuser."""
    return url.replace("contacts:secret", "postgres:secret")


def ask(url: str, sql: str) -> list[tuple[Any, ...]]:
    """Return the rows of a query, or none of another statement."""
    with closing(psycopg2.connect(url)) as session:
        session.autocommit = True
        with session.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchall() if cursor.description else []
