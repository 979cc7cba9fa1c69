"""What extract asks of a warehouse beside loading it: what is new, what is gone.

It also leaves one copy of each row to load.

`Files` are the Parquet files of a run's normalised load packages, by table; not yet loaded.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import dlt
from duckdb import DuckDBPyConnection

from extract import settings

Files = Mapping[str, list[str]]
ROW_GROUP = 5120  # rows of a Parquet file; more would need more memory to write and to read
TEXT = "VARCHAR"  # JSON, too, in a Parquet file
JSON_COLUMNS = ("attributes", "row_json")


class Changes(NamedTuple):
    """How a load differs from what the warehouse held, in rows."""

    new: int
    changed: int


class Missing(NamedTuple):
    """What a full sync did not list of a raw table, in rows."""

    rows: int
    lost: int  # of those, who is not in users under another key either


class Warehouse:
    """What a warehouse holds, held against what is about to be loaded.

    Args:
        connection: DuckDB's, in which the raw tables can be queried. Where they cannot, a class of
            the engine says what is held (`columns`, `held`, `content`, `rows_held`).
    """

    def __init__(self, connection: DuckDBPyConnection) -> None:
        self.connection = connection

    def columns(self, name: str) -> set[str]:
        """Return the columns of a raw table; none where it does not exist yet."""
        rows = self.connection.execute(
            "select column_name from information_schema.columns where table_name = ? "
            "and table_schema = ? and table_catalog = current_database()",
            [name, settings.RAW],
        ).fetchall()
        return {column for (column,) in rows}

    def held(self, name: str, *columns: str) -> str:
        """Return a relation of the rows that a list's table, which exists, holds, as SQL.

        Args:
            name: `leads` or `users`.
            columns: expressions; those that are no column's name have their own (`x as y`).
        """
        return f"(select {', '.join(columns)} from {settings.RAW}.{name})"

    def content(self, fields: Iterable[str], columns: set[str]) -> str:
        """Return one value over all fields of the API, as SQL; it needs less memory than the rows.

        Args:
            fields: in an order.
            columns: those of them that are there.
        """
        values = (f'cast("{field}" as varchar)' if field in columns else "null" for field in fields)
        return f"hash({', '.join(values)})"

    def rows_held(self, name: str) -> int:
        """Count the rows of a list's table; none where it does not exist yet."""
        if not self.columns(name):
            return 0
        row = self.connection.execute(f"select count(*) from {self.held(name, '1')}").fetchone()
        return int(row[0]) if row else 0

    def app_id(self) -> str | None:
        """Return the customer project of rows that are stored; None where no row names it."""
        for name in settings.ENDPOINTS:
            if "app_id" in self.columns(name):
                stored = self.held(name, "app_id")
                row = self.connection.execute(
                    f"select app_id from {stored} where app_id <> '' limit 1"
                ).fetchone()
                if row:
                    return str(row[0])
        return None

    def compare(self, name: str, files: Files) -> Changes:
        """Count how rows about to be merged differ from the rows that the warehouse holds.

        dlt's merge does not tell, and after it the old rows are gone.

        Args:
            name: `leads` or `users`.
            files: what is about to be loaded; none where all rows were older than the cursor.
        """
        if not files.get(name):
            return Changes(0, 0)
        keys = _key(name)
        read = self.connection.read_parquet(files[name], union_by_name=True)
        listed_columns, held_columns = set(read.columns), self.columns(name)
        # columns that begin with _ are dlt's and ours, and differ in every load
        fields = sorted(c for c in listed_columns | held_columns if not c.startswith("_"))
        held = "(select * from listed limit 0)"
        if held_columns:
            held = self.held(name, keys, f"{self.content(fields, held_columns)} as content")
        row = self.connection.execute(
            f"""
            with every as (
                select
                    {keys},
                    {settings.VERSION},
                    {self.content(fields, listed_columns)} as content
                from read_parquet(?, union_by_name = true)
            ),
            listed as (
                from every
                where not exists (
                    from every as later
                    where {_same_key(name, "later", "every")}
                        and later.{settings.VERSION} > every.{settings.VERSION}
                )
            )
            select
                count(*) filter (held.content is null),
                count(*) filter (listed.content <> held.content)
            from listed
            left join {held} as held using ({keys})
            """,
            [files[name]],
        ).fetchone()
        return Changes(*row) if row else Changes(0, 0)

    def holds_any(self, name: str, files: Files, keys: Sequence[dict[str, Any]]) -> bool:
        """Tell whether a list's table, which has rows, holds any of those that were read.

        Args:
            name: `leads` or `users`.
            files: what is about to be loaded.
            keys: of the rows on the last page; those older than the cursor are not in `files`.
        """
        held = self.held(name, _key(name))
        listed, parameters = _listed(name, files, settings.ENDPOINTS[name].primary_key)
        if keys:
            listed += f" union all select {_key(name)} from (select unnest(?, recursive := true))"
            parameters = [*parameters, list(keys)]
        row = self.connection.execute(
            f"select exists (from {held} semi join ({listed}) using ({_key(name)}))", parameters
        ).fetchone()
        return bool(row and row[0])

    def missing(self, name: str, files: Files) -> Missing:
        """Count what a list's table holds and a full sync of the list did not show.

        A lead that signed up, and the earlier e-mail of a user, are missing but not lost.

        Args:
            name: `leads` or `users`.
            files: what is about to be loaded.
        """
        if not self.columns(name):
            return Missing(0, 0)
        number = settings.CONTACT_NUMBER
        user_columns = ("user_id", number)
        users, user_parameters = _listed("users", files, user_columns)
        if name == "leads":
            users += f" union all from {self.held('users', *user_columns)}"
            is_known = f"users.{number} = missing.{number}"
        elif name == "users":  # another project's users can have the same ids
            is_known = (
                "users.user_id = missing.user_id "
                f"and coalesce(users.{number} = missing.{number}, true)"
            )
        else:
            is_known = "false"
        columns = dict.fromkeys([*settings.ENDPOINTS[name].primary_key, number])
        held = self.held(name, *columns)
        listed, parameters = _listed(name, files, settings.ENDPOINTS[name].primary_key)
        row = self.connection.execute(
            f"""
            with missing as (
                from {held} anti join ({listed}) using ({_key(name)})
            )
            select
                count(*),
                count(*) filter (not exists (from ({users}) as users where {is_known}))
            from missing
            """,
            [*parameters, *user_parameters],
        ).fetchone()
        return Missing(*row) if row else Missing(0, 0)


def keep_newest(connection: DuckDBPyConnection, name: str, files: Sequence[str]) -> None:
    """Take out of the files of one load package rows of which they hold a newer version.

    Rows that move between pages while a list is read are met twice, so few are, mostly none.

    Args:
        connection: any.
        name: `leads` or `users`.
        files: of the list's table; those with such rows are written anew.
    """
    keys = _key(name)
    read = "read_parquet(?, union_by_name = true)"
    # two steps, the second for few rows: DuckDB cannot spill the largest of texts to the disk
    connection.execute(
        f"create or replace temp table newest as select {keys}, max({settings.VERSION}) as latest "
        f"from {read} semi join (select {keys} from {read} group by {keys} having count(*) > 1) "
        f"using ({keys}) group by {keys}",
        [files, files],
    )
    older = (
        f"(from newest where listed.{settings.VERSION} < latest "
        f"and {_same_key(name, 'newest', 'listed')})"
    )
    for file in files:
        if connection.execute(
            f"from {read} as listed where exists {older} limit 1", [file]
        ).fetchone():
            # the data folder has refused a path with a quote in it
            connection.execute(
                f"copy (from {read} as listed where not exists {older}) to '{file}.new' "
                f"(format parquet, row_group_size {ROW_GROUP})",
                [file],
            )
            Path(f"{file}.new").replace(file)


def replace_nul(connection: DuckDBPyConnection, files: Iterable[str]) -> None:
    """Replace the character U+0000, which PostgreSQL has in no text, by U+FFFD.

    Args:
        connection: any.
        files: Parquet files; those with such texts are written anew.
    """
    for file in files:
        described = connection.execute("describe from read_parquet(?)", [file]).fetchall()
        mended = {
            name: _without_nul(name) for name, data_type, *_ in described if data_type == TEXT
        }
        is_odd = " or ".join(f'"{name}" <> {text}' for name, text in mended.items())
        if (
            mended
            and connection.execute(
                f"from read_parquet(?) where {is_odd} limit 1", [file]
            ).fetchone()
        ):
            texts = ", ".join(f'{text} as "{name}"' for name, text in mended.items())
            connection.execute(
                f"copy (select * replace ({texts}) from read_parquet(?)) "
                f"to '{file}.new' (format parquet, row_group_size {ROW_GROUP})",
                [file],
            )
            Path(f"{file}.new").replace(file)


def _without_nul(name: str) -> str:
    if name not in JSON_COLUMNS:
        return f'replace("{name}", chr(0), chr(65533))'
    # an escape, but not the text behind an escaped backslash, which is U+0000 meanwhile
    return (
        f"replace(replace(replace(\"{name}\", '\\\\', chr(0)), '\\u0000', chr(65533)), "
        "chr(0), '\\\\')"
    )


def rejected(connection: DuckDBPyConnection, name: str, files: Files) -> int:
    """Count the rows of a list that are set aside, each once however often it was read."""
    if not files.get(settings.REJECTED_TABLE):
        return 0
    row = connection.execute(
        "select count(distinct row_hash) from read_parquet(?) where resource = ?",
        [files[settings.REJECTED_TABLE], name],
    ).fetchone()
    return int(row[0]) if row else 0


def remove_unlisted(
    pipeline: dlt.Pipeline, load_ids: Sequence[str], names: Iterable[str]
) -> dict[str, int]:
    """Remove the rows that full syncs did not list, in one transaction over all their tables.

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
            # counted before: engines tell the number in different ways, and `returning` would take
            # DuckDB minutes for some 100,000 rows
            ((removed[name],),) = client.execute_sql(
                f"select count(*) from {name} where {others}", *load_ids
            ) or [(0,)]
            client.execute_sql(f"delete from {name} where {others}", *load_ids)
            client.execute_sql(
                f"delete from {settings.REJECTED_TABLE} where resource = %s and {others}",
                name,
                *load_ids,
            )
    return removed


def _key(name: str) -> str:
    return ", ".join(settings.ENDPOINTS[name].primary_key)


def _same_key(name: str, one: str, other: str) -> str:
    return " and ".join(
        f"{one}.{key} = {other}.{key}" for key in settings.ENDPOINTS[name].primary_key
    )


def _listed(name: str, files: Files, columns: Sequence[str]) -> tuple[str, list[Any]]:
    """Return a query, and its parameters, of some columns of what is about to be loaded."""
    if files.get(name):
        return f"select {', '.join(columns)} from read_parquet(?, union_by_name = true)", [
            files[name]
        ]
    types = ("bigint" if column == settings.CONTACT_NUMBER else "varchar" for column in columns)
    nulls = (f"cast(null as {t}) as {c}" for c, t in zip(columns, types, strict=True))
    return f"select {', '.join(nulls)} where false", []
