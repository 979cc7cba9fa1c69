"""Small warehouses with a person in them, and what of the person is left in tables and files."""

from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
from duckdb import DuckDBPyConnection

from extract import settings
from extract.folder import Folder
from tests.support.sync import Source

NAME = "Zq7kP0vXw3LrT9bNcY5hJ2mFdG8sA1uE"  # no compression hides it in a file
_TYPES = {"bigint": "bigint", "text": "varchar", "json": "json", "double": "double"}


def write_warehouse(data_dir: Path, history: str = "") -> None:
    """Make a warehouse of what the API lists, with the columns and values that a run loads.

    Args:
        data_dir: the test's data folder.
        history: rows of `snapshots.snap_contacts` (contact_id, user_id, email) as SQL values; it
            has the contacts as they were.
    """
    folder = Folder(data_dir)
    folder.create()
    synced = Source().sync()
    assert synced.failure is None
    with duckdb.connect(str(folder.warehouse)) as warehouse:
        for schema in ("raw", "raw_staging"):
            warehouse.execute(f"create schema {schema}")
            for name, rows in synced.rows.items():
                fields = {column["name"]: column for column in settings.list_columns(name).values()}
                _write_table(warehouse, f"{schema}.{name}", rows, fields)
        columns = settings.REJECTED_COLUMNS
        _write_table(warehouse, "raw.rejected_rows", synced.rejected, columns)
        warehouse.execute("create schema snapshots")
        warehouse.execute(
            "create table snapshots.snap_contacts (contact_id text, user_id text, email text)"
        )
        if history:
            warehouse.execute(f"insert into snapshots.snap_contacts values {history}")


def _write_table(warehouse: DuckDBPyConnection, table: str, rows: list[Any], fields: Any) -> None:
    names = dict.fromkeys([*fields, *(name for row in rows for name in row)])
    types = {
        name: _TYPES[fields[name]["data_type"]] if name in fields else "varchar" for name in names
    }
    warehouse.execute(f"create table {table} ({', '.join(f'{n} {t}' for n, t in types.items())})")
    if rows:
        complete = [dict.fromkeys(names) | row for row in rows]
        warehouse.register("written", pa.Table.from_pylist(complete))
        warehouse.execute(f"insert into {table} by name from written")
        warehouse.unregister("written")


def files_with(folder: Path, *marks: str) -> set[str]:
    """Return the files of a folder that hold one of some texts, whatever files they are."""
    return {
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.is_file() and any(mark.encode() in path.read_bytes() for mark in marks)
    }


def tables(warehouse: DuckDBPyConnection) -> list[str]:
    """Return the names of all tables, with their schemas."""
    rows = warehouse.sql("select schema_name, table_name from duckdb_tables()").fetchall()
    return [f"{schema}.{table}" for schema, table in rows]


def contents(warehouse: DuckDBPyConnection) -> dict[str, list[str]]:
    """Return all rows of all tables, as texts, sorted."""
    return {
        table: sorted(
            row for (row,) in warehouse.sql(f"select t::varchar from {table} as t").fetchall()
        )
        for table in tables(warehouse)
    }


def opened(data_dir: Path) -> DuckDBPyConnection:
    """Open the warehouse of a data folder to read it."""
    return duckdb.connect(str(data_dir / "warehouse.duckdb"), read_only=True)
