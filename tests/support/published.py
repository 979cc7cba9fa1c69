"""What is published, for tests: a small warehouse to publish, and the sandbox's published marts."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import duckdb
import pytest

from extract.folder import Folder

Fill = Callable[[int], None]
Change = Callable[..., duckdb.DuckDBPyConnection]
EMPTY = [
    f"delete from {mart}"
    for mart in ("dim_contacts", "dim_leads", "dim_users", "fct_contacts_daily", "published")
]


def contacts(data_dir: Path, sql: str) -> list[tuple[Any, ...]]:
    """Query the published file of a data folder."""
    with duckdb.connect(str(data_dir / "contacts.duckdb"), read_only=True) as reader:
        return reader.sql(sql).fetchall()


@pytest.fixture
def folder(data_dir: Path) -> Folder:
    """A data folder of this test."""
    folder = Folder(data_dir)
    folder.create()
    return folder


@pytest.fixture
def fill(folder: Folder) -> Fill:
    """Make a small warehouse in which every row of every mart has a number."""

    def make(number: int) -> None:
        with duckdb.connect(str(folder.warehouse)) as warehouse:
            warehouse.execute("create schema if not exists marts")
            for mart, rows in (("dim_leads", 3000), ("dim_users", 50), ("fct_retired", 1)):
                warehouse.execute(
                    f"create or replace table marts.{mart} as "
                    f"select {number} as number, i::varchar as name from range({rows}) as r(i)"
                )
            warehouse.execute(
                f"create or replace table marts.fct_loads as select {number} as number, "
                "timestamp '2026-06-01 12:00:00' as finished_at, "
                "1 as leads_rows_read, null as users_rows_read"
            )

    return make


@pytest.fixture(scope="session")
def published(sandbox_folder: Path) -> Path:
    """The published file of the sandbox."""
    return sandbox_folder / "contacts.duckdb"


@pytest.fixture(scope="session")
def marts(published: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """The published marts of the sandbox, read only."""
    with duckdb.connect(str(published), read_only=True) as connection:
        yield connection


@pytest.fixture
def changed(published: Path, tmp_path: Path) -> Iterator[Change]:
    """Run SQL on a copy of the published file, and open it as the dashboard does."""
    path = tmp_path / "contacts.duckdb"
    with ExitStack() as stack:

        def change(*statements: str) -> duckdb.DuckDBPyConnection:
            shutil.copyfile(published, path)
            with duckdb.connect(str(path)) as connection:
                for statement in statements:
                    connection.execute(statement)
            return stack.enter_context(duckdb.connect(str(path), read_only=True))

        yield change
