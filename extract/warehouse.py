"""What extract asks of the raw tables beside loading them: what is new, what is gone.

`Files` are the Parquet files of a run's normalised load packages, by table; not yet loaded.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import dlt
import duckdb

from extract import settings

Files = Mapping[str, list[str]]


class Changes(NamedTuple):
    """How a load differs from what the warehouse held, in rows."""

    new: int
    changed: int


class Unlisted(NamedTuple):
    """What a full read did not list of a raw table, in rows."""

    held: int  # the whole table
    unlisted: int
    lost: int  # of the unlisted, those that are not in users either, under whatever e-mail


def compare(warehouse: Path, name: str, files: list[str]) -> Changes:
    """Count how rows about to be merged differ from the rows that the warehouse holds.

    dlt's merge does not tell, and after it the old rows are gone.

    Args:
        warehouse: the DuckDB file.
        name: `leads` or `users`.
        files: the Parquet files of the list; none where all rows were older than the cursor.
    """
    if not files:
        return Changes(0, 0)
    keys = ", ".join(settings.ENDPOINTS[name].primary_key)
    with duckdb.connect(str(warehouse)) as connection:
        listed_columns = set(connection.read_parquet(files, union_by_name=True).columns)
        held_columns = _held_columns(connection, name)
        # columns that begin with _ are dlt's and ours, and differ in every load
        fields = sorted(c for c in listed_columns | held_columns if not c.startswith("_"))

        def content(columns: set[str]) -> str:
            """One hash over all fields of the API; a hash needs less memory than the rows."""
            values = (
                f'cast("{field}" as varchar)' if field in columns else "null" for field in fields
            )
            return f"hash({', '.join(values)})"

        held = (
            f"select {keys}, {content(held_columns)} as content from {settings.RAW}.{name}"
            if held_columns
            else "select * from listed limit 0"
        )
        row = connection.execute(
            f"""
            with listed as (
                select {keys}, arg_max({content(listed_columns)}, {settings.VERSION}) as content
                from read_parquet(?, union_by_name = true)
                group by {keys}
            ),
            held as ({held})
            select
                count(*) filter (held.content is null),
                count(*) filter (listed.content <> held.content)
            from listed
            left join held using ({keys})
            """,
            [files],
        ).fetchone()
    return Changes(*row) if row else Changes(0, 0)


def holds_any(warehouse: Path, name: str, files: Files, keys: Sequence[dict[str, Any]]) -> bool:
    """Tell whether the warehouse holds any of the rows that were read, or no row at all.

    Args:
        warehouse: the DuckDB file.
        name: `leads` or `users`.
        files: what is about to be loaded.
        keys: of the rows on the last page; those older than the cursor are not in `files`.
    """
    listed, parameters = _listed(name, files)
    with duckdb.connect(str(warehouse)) as connection:
        if not _held_columns(connection, name):
            return True
        key = ", ".join(settings.ENDPOINTS[name].primary_key)
        if keys:
            listed += f" union all select {key} from (select unnest(?, recursive := true))"
            parameters = [*parameters, list(keys)]
        table = f"{settings.RAW}.{name}"
        row = connection.execute(
            f"select not exists (from {table}) or exists (from {table} semi join ({listed}) "
            f"using ({key}))",
            parameters,
        ).fetchone()
    return bool(row and row[0])


def unlisted(warehouse: Path, name: str, files: Files) -> Unlisted:
    """Count what the warehouse holds of a list that was read whole, and what was not listed.

    A lead that signed up, and the earlier e-mail of a user, are unlisted but not lost.

    Args:
        warehouse: the DuckDB file.
        name: `leads` or `users`.
        files: what is about to be loaded.
    """
    with duckdb.connect(str(warehouse)) as connection:
        if not _held_columns(connection, name):
            return Unlisted(0, 0, 0)
        key = ", ".join(settings.ENDPOINTS[name].primary_key)
        listed, parameters = _listed(name, files)
        person = settings.ENDPOINTS[name].primary_key[0]
        known, known_parameters = _listed("users" if name == "leads" else name, files, person)
        if name == "leads":
            known += f" union all select {person} from {settings.RAW}.users"
        row = connection.execute(
            f"""
            with unlisted as (
                from {settings.RAW}.{name} anti join ({listed}) using ({key})
            )
            select
                (select count(*) from {settings.RAW}.{name}),
                (select count(*) from unlisted),
                (select count(*) from unlisted anti join ({known}) using ({person}))
            """,
            [*parameters, *known_parameters],
        ).fetchone()
    return Unlisted(*row) if row else Unlisted(0, 0, 0)


def remove_unlisted(
    pipeline: dlt.Pipeline, load_ids: Sequence[str], names: Iterable[str]
) -> dict[str, int]:
    """Remove the rows that full reads did not list, in one transaction over all their tables.

    A merge gives every row that was listed the load's id; what bears another was not listed.

    Args:
        pipeline: with `load_ids` loaded.
        load_ids: the loads of this run.
        names: the lists that it read whole.

    Returns:
        How many rows were removed from each list's table.
    """
    removed = {}
    others = f"_dlt_load_id not in ({', '.join(['%s'] * len(load_ids))})"
    with pipeline.sql_client() as client, client.begin_transaction():
        for name in names:
            gone = client.execute_sql(f"delete from {name} where {others} returning 1", *load_ids)
            removed[name] = len(gone or ())
            client.execute_sql(
                f"delete from {settings.REJECTED_TABLE} where resource = %s and {others}",
                name,
                *load_ids,
            )
    return removed


def _held_columns(connection: duckdb.DuckDBPyConnection, name: str) -> set[str]:
    """Return the columns of a raw table; none where it does not exist yet."""
    rows = connection.execute(
        "select column_name from information_schema.columns "
        "where table_schema = ? and table_name = ?",
        [settings.RAW, name],
    ).fetchall()
    return {column for (column,) in rows}


def _listed(name: str, files: Files, columns: str = "") -> tuple[str, list[Any]]:
    """Return a query, and its parameters, of what is about to be loaded: by default the keys."""
    columns = columns or ", ".join(settings.ENDPOINTS[name].primary_key)
    if not files.get(name):
        return f"select {columns} from {settings.RAW}.{name} where false", []
    return f"select {columns} from read_parquet(?, union_by_name = true)", [files[name]]
