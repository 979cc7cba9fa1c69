"""Publishes marts in a DuckLake: all tables of `marts` are replaced in one transaction.

    marts_next   what dbt builds and tests
    marts        what readers see

A query and a transaction read one version. `marts.published` tells which.
"""

from datetime import UTC, datetime

import duckdb

from extract.project import marts
from publish.marts import READ_AT, comment, write_published
from publish.publication import Published
from publish.versions import next_name

SHOWN = "marts"
NEXT = "marts_next"


def publish(connection: duckdb.DuckDBPyConnection, where: str) -> Published:
    """Publish the schema `marts_next`, of which every blocking test has passed.

    Args:
        connection: of DuckDB, in which the lake is the current database.
        where: the lake, as a person knows it.

    Raises:
        duckdb.Error: the catalog is gone, say; readers still see the version before.
    """
    shown = published(connection, where)
    version = next_name([shown.version] if shown else [])
    connection.execute("begin")
    try:
        connection.execute(f"create schema if not exists {SHOWN}")
        built = [name for name in _tables(connection, NEXT) if name in marts()]
        counts = {name: _copy(connection, name) for name in built}
        for former in {*_tables(connection, SHOWN)} - {*built}:  # marts of an earlier release, too
            connection.execute(f'drop table {SHOWN}."{former}"')
        now = datetime.now(UTC).replace(tzinfo=None)
        read_at = READ_AT.format(loads=f"{NEXT}.fct_loads")
        write_published(connection, f"{SHOWN}.published", read_at, version, now, counts)
        connection.execute("commit")
    except BaseException:
        connection.execute("rollback")
        raise
    return _described(connection, where)


def published(connection: duckdb.DuckDBPyConnection, where: str) -> Published | None:
    """Return what readers see; None where nothing was published yet."""
    if "published" not in _tables(connection, SHOWN):
        return None
    return _described(connection, where)


def _tables(connection: duckdb.DuckDBPyConnection, schema: str) -> list[str]:
    rows = connection.execute(
        "select table_name from duckdb_tables() "
        "where database_name = current_database() and schema_name = ? order by table_name",
        [schema],
    ).fetchall()
    return [name for (name,) in rows]


def _copy(connection: duckdb.DuckDBPyConnection, name: str) -> int:
    """Copy a table with its comments, and return how many rows it has."""
    connection.execute(f"create or replace table {SHOWN}.{name} as from {NEXT}.{name}")
    of_table = "where database_name = current_database() and schema_name = ? and table_name = ?"
    for comments in (
        f"select '', comment from duckdb_tables() {of_table}",
        f"select column_name, comment from duckdb_columns() {of_table}",
    ):
        rows = connection.execute(comments, [NEXT, name]).fetchall()
        comment(connection, f"{SHOWN}.{name}", rows)
    (count,) = connection.execute(f"select count(*) from {SHOWN}.{name}").fetchone() or (0,)
    return int(count)


def _described(connection: duckdb.DuckDBPyConnection, where: str) -> Published:
    row = connection.execute(
        f"select version, published_at, data_as_of from {SHOWN}.published limit 1"
    ).fetchone()
    return Published(f"schema {SHOWN} of {where}", *(row or ()))
