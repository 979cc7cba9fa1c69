"""Writes marts to a new version: `contacts.duckdb` for BI tools, and Parquet files beside it.

The tables are in the schema `main`, with the comments that dbt gave them. The table `published`
tells what the version is. Each Parquet file tells its version in its own metadata, too.
"""

import shutil
from collections.abc import Iterable, Mapping
from datetime import datetime
from importlib.metadata import version as package_version
from pathlib import Path
from typing import NamedTuple

import duckdb

from extract.folder import patiently
from extract.memory import is_out_of_memory
from extract.person import Rows
from extract.project import marts
from publish.versions import CONTACTS, PARQUET_FILES

STORAGE_VERSION = "v1.0.0"  # DuckDB 1.1 to 2.0 read it
# Within them a million contacts take less than 400 MB, the rest of the process included. Rows have
# no order in the marts either, and smaller row groups are less to hold at a time.
Config = dict[str, str | bool | int | float | list[str]]
LIMITS: Config = {
    "threads": 2,
    "memory_limit": "128MiB",
    "preserve_insertion_order": False,
}
# texts that hardly repeat: DuckDB would try a dictionary for them first, and in vain
UNIQUE_TEXTS = ("contact_id", "user_id", "email", "username")
# a quarter less time than by default, for files a tenth larger
PARQUET = "compression zstd, compression_level 1, dictionary_size_limit 2048, row_group_size 40960"
# when the lists were last read, by the log of loads
READ_AT = """
    select
        max(case when leads_rows_read is not null then finished_at end) as leads_read_at,
        max(case when users_rows_read is not null then finished_at end) as users_read_at
    from {loads}
"""
# the same by a version, of which the log may be empty
READ_AT_OF_VERSION = "select distinct leads_read_at, users_read_at from {published}"
COMMENTS = {
    "": "One row per mart of this version. Compare a table's count with row_count.",
    "version": "Of all tables in this file, and of the Parquet files: when it was begun, UTC.",
    "published_at": "When the tables were written, UTC.",
    "leads_read_at": "When leads were last read from the API, UTC; null if never.",
    "users_read_at": "When users were last read from the API, UTC; null if never.",
    "data_as_of": "When both lists had last been read, UTC; null if one never was.",
    "package_version": "The version of contacts-elt that published it.",
    "mart": "The name of the table.",
    "row_count": "Its rows.",
}


class Source(NamedTuple):
    """Marts to publish: those in a DuckDB file's schema, without some of their rows.

    The schema is `marts` in a warehouse, `main` in a version.
    """

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
    try:
        _write(source, version, published_at, folder, LIMITS)
    except duckdb.Error as error:
        if not is_out_of_memory(str(error)):
            raise
        # rows of megabytes need more than all others
        shutil.rmtree(folder)
        folder.mkdir()
        _write(source, version, published_at, folder, {})


def _write(
    source: Source, version: str, published_at: datetime, folder: Path, limits: Config
) -> None:
    files = folder / PARQUET_FILES
    with duckdb.connect(config=limits | {"temp_directory": str(folder / "spilled")}) as connection:
        patiently(lambda: connection.execute(f"attach '{source.file}' as source (read_only)"))
        connection.execute(
            f"attach '{folder / CONTACTS}' as target (storage_version '{STORAGE_VERSION}')"
        )
        connection.execute("use target")
        counts = {mart: _copy(connection, source, mart) for mart in _marts(connection, source)}
        read_at = READ_AT if source.schema == "marts" else READ_AT_OF_VERSION
        read_at = read_at.format(loads="source.marts.fct_loads", published="source.main.published")
        write_published(connection, "published", read_at, version, published_at, counts)
        files.mkdir()
        for table in (*counts, "published"):
            connection.execute(
                f"copy target.{table} to '{files / table}.parquet' "
                f"(format parquet, {PARQUET}, kv_metadata {{version: '{version}'}})"
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
    of_mart = "where database_name = 'source' and schema_name = ? and table_name = ?"
    names = [source.schema, mart]
    columns = connection.execute(
        f"select column_name, data_type, comment from duckdb_columns() {of_mart} "
        "order by column_index",
        names,
    ).fetchall()
    definitions = (
        f'"{name}" {data_type}{" using compression fsst" if name in UNIQUE_TEXTS else ""}'
        for name, data_type, _ in columns
    )
    connection.execute(f"create table {mart} ({', '.join(definitions)})")
    connection.execute(
        f"insert into {mart} from source.{source.schema}.{mart} where not ({unwanted.condition})",
        unwanted.values,
    )
    comments = connection.execute(f"select '', comment from duckdb_tables() {of_mart}", names)
    comment(connection, mart, comments.fetchall())
    comment(connection, mart, ((name, comment) for name, _, comment in columns))
    (count,) = connection.execute(f"select count(*) from {mart}").fetchone() or (0,)
    return int(count)


def write_published(
    connection: duckdb.DuckDBPyConnection,
    table: str,
    read_at: str,
    version: str,
    published_at: datetime,
    counts: Mapping[str, int],
) -> None:
    """Make the table `published`.

    Args:
        connection: of DuckDB.
        table: its name.
        read_at: a query of when the lists were last read.
        version: the version's name.
        published_at: now, UTC without a zone.
        counts: the rows of each mart.
    """
    connection.execute(
        f"""
        create table {table} as
        select
            $version as version,
            $published_at as published_at,
            leads_read_at,
            users_read_at,
            case
                when leads_read_at is not null and users_read_at is not null
                    then least(leads_read_at, users_read_at)
            end as data_as_of,
            $package_version as package_version,
            unnest($marts) as mart,
            cast(unnest($counts) as bigint) as row_count
        from ({read_at})
        """,
        {
            "version": version,
            "published_at": published_at,
            "package_version": package_version("contacts-elt"),
            "marts": list(counts),
            "counts": list(counts.values()),
        },
    )
    comment(connection, table, COMMENTS.items())


def comment(
    connection: duckdb.DuckDBPyConnection,
    table: str,
    comments: Iterable[tuple[str, str | None]],
) -> None:
    """Comment on a table, by the empty name, and on its columns, where there is a comment."""
    for column, text in comments:
        if text:
            what = f'column {table}."{column}"' if column else f"table {table}"
            text = text.replace("'", "''")
            connection.execute(f"comment on {what} is '{text}'")
