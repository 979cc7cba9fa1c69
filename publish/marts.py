"""Writes marts to a new version: `contacts.duckdb` for BI tools, and Parquet files beside it.

The tables are in the schema `main`, with the comments that dbt gave them. The table `published`
tells what the version is. Each Parquet file tells its version in its own metadata, too.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from importlib.metadata import version as package_version
from pathlib import Path
from typing import NamedTuple

import duckdb

from extract.folder import patiently
from extract.person import Rows
from extract.project import marts
from publish.versions import CONTACTS, PARQUET

STORAGE_VERSION = "v1.0.0"  # DuckDB 1.1 to 2.0 read it
# Within them a million contacts take less than 400 MB, the rest of the process included. Rows have
# no order in the marts either, and smaller row groups are less to hold at a time.
LIMITS: dict[str, str | bool | int | float | list[str]] = {
    "threads": 2,
    "memory_limit": "192MiB",
    "preserve_insertion_order": False,
}
ROW_GROUP = 40_960  # rows
COMMENTS = {
    "": "One row per mart of this version. Compare a table's count with row_count.",
    "version": "Of all tables in this file, and of the Parquet files: when it was begun, UTC.",
    "published_at": "When the tables were written, UTC.",
    "leads_read_at": "When leads were last read from the API, UTC; null if never.",
    "users_read_at": "When users were last read from the API, UTC; null if never.",
    "package_version": "The version of contacts-elt that published it.",
    "mart": "The name of the table.",
    "row_count": "Its rows.",
}


class Source(NamedTuple):
    """Marts to publish: in a schema of a DuckDB file, and without which of their rows."""

    file: Path
    schema: str
    without: Mapping[str, Rows] = {}


def write_marts(source: Source, version: str, published_at: datetime, folder: Path) -> None:
    """Write a version's files.

    Args:
        source: what to publish.
        version: its name.
        published_at: now, UTC without a zone.
        folder: an empty folder.

    Raises:
        duckdb.Error: the source is locked by another process, or the disk is full, say.
    """
    spilled = {"temp_directory": str(folder / "spilled")}
    with duckdb.connect(config=LIMITS | spilled) as connection:
        patiently(lambda: connection.execute(f"attach '{source.file}' as source (read_only)"))
        connection.execute(
            f"attach '{folder / CONTACTS}' as target (storage_version '{STORAGE_VERSION}')"
        )
        connection.execute("use target")
        counts = {mart: _copy(connection, source, mart) for mart in _marts(connection, source)}
        _describe(connection, version, published_at, counts)
        (folder / PARQUET).mkdir()
        for table in (*counts, "published"):
            connection.execute(
                f"copy target.{table} to '{folder / PARQUET / table}.parquet' (format parquet, "
                f"compression zstd, row_group_size {ROW_GROUP}, "
                f"kv_metadata {{version: '{version}'}})"
            )
        connection.execute("use memory")
        connection.execute("detach target")  # which brings it to the disk whole


def _marts(connection: duckdb.DuckDBPyConnection, source: Source) -> list[str]:
    """Return the tables to publish; one of an earlier release, which nothing renews, is none."""
    known = marts()
    rows = connection.execute(
        "select table_name from duckdb_tables() "
        "where database_name = 'source' and schema_name = ? order by table_name",
        [source.schema],
    ).fetchall()
    return [name for (name,) in rows if name in known]


def _copy(connection: duckdb.DuckDBPyConnection, source: Source, mart: str) -> int:
    """Copy a table with its comments, and return how many rows it has."""
    unwanted = source.without.get(mart, Rows("false", []))
    connection.execute(
        f"create table {mart} as from source.{source.schema}.{mart} "
        f"where not ({unwanted.condition})",
        unwanted.values,
    )
    comments = connection.execute(
        "select '', comment from duckdb_tables() "
        "where database_name = 'source' and schema_name = $schema and table_name = $mart "
        "union all select column_name, comment from duckdb_columns() "
        "where database_name = 'source' and schema_name = $schema and table_name = $mart",
        {"schema": source.schema, "mart": mart},
    ).fetchall()
    _comment(connection, mart, comments)
    (count,) = connection.execute(f"select count(*) from {mart}").fetchone() or (0,)
    return int(count)


def _describe(
    connection: duckdb.DuckDBPyConnection,
    version: str,
    published_at: datetime,
    counts: Mapping[str, int],
) -> None:
    """Make the table `published`."""
    connection.execute(
        """
        create table published as
        select
            $version as version,
            $published_at as published_at,
            max(finished_at) filter (leads_rows_read is not null) as leads_read_at,
            max(finished_at) filter (users_rows_read is not null) as users_read_at,
            $package_version as package_version,
            unnest($marts) as mart,
            cast(unnest($counts) as bigint) as row_count
        from fct_loads
        """,
        {
            "version": version,
            "published_at": published_at,
            "package_version": package_version("contacts-elt"),
            "marts": list(counts),
            "counts": list(counts.values()),
        },
    )
    _comment(connection, "published", COMMENTS.items())


def _comment(
    connection: duckdb.DuckDBPyConnection,
    table: str,
    comments: Iterable[tuple[str, str | None]],
) -> None:
    """Comment on a table, by the empty name, and on its columns."""
    for column, comment in comments:
        if comment:
            what = f'column {table}."{column}"' if column else f"table {table}"
            text = comment.replace("'", "''")
            connection.execute(f"comment on {what} is '{text}'")
