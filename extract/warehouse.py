"""What extract asks of the warehouse beside loading: whose data, what is new, what is gone."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import dlt
import duckdb

from extract import settings
from extract.errors import SettingsError


class Changes(NamedTuple):
    """How a load differs from what the warehouse held, in rows."""

    new: int
    changed: int


@contextmanager
def _source_state(pipeline: dlt.Pipeline) -> Iterator[dict[str, Any]]:
    """Yield what dlt keeps about the source; changes reach the warehouse with the next load."""
    with pipeline.managed_state() as state:
        yield state.setdefault("sources", {}).setdefault(settings.SECTION, {})


def bind(pipeline: dlt.Pipeline, base_url: str, rebind: bool) -> None:
    """Tie the warehouse to the API it is loaded from.

    Args:
        pipeline: restored from the warehouse.
        base_url: the API of this run.
        rebind: accept another API than the one before. Its lists are then read whole: a cursor of
            one address says nothing about what changed at another.

    Raises:
        SettingsError: it is another one, and `rebind` is not set.
    """
    with _source_state(pipeline) as state:
        bound = state.get("base_url", base_url)
        if bound != base_url and not rebind:
            raise SettingsError(
                f"The warehouse was loaded from {bound}, but base_url is {base_url}. A warehouse "
                "holds one customer project: set another [elt] data_dir for another. If it is the "
                "same project at a new address, run once with --rebind."
            )
        if bound != base_url:
            state.pop("resources", None)
        state["base_url"] = base_url


def forget_cursors(pipeline: dlt.Pipeline, names: Iterable[str]) -> None:
    """Make the next read of some lists a whole one."""
    with _source_state(pipeline) as state:
        for name in names:
            state.get("resources", {}).pop(name, None)


def has_cursor(pipeline: dlt.Pipeline, name: str) -> bool:
    """Tell whether a list was loaded before, so that a run need not read it whole."""
    with _source_state(pipeline) as state:
        return name in state.get("resources", {})


def compare(warehouse: Path, name: str, files: list[str]) -> Changes:
    """Count how rows about to be merged differ from the rows that the warehouse holds.

    dlt's merge does not tell, and after it the old rows are gone.

    Args:
        warehouse: the DuckDB file.
        name: `leads` or `users`.
        files: the load package's Parquet files of the list; none where all rows were older than
            the cursor.
    """
    if not files:
        return Changes(0, 0)
    keys = ", ".join(settings.ENDPOINTS[name].primary_key)
    with duckdb.connect(str(warehouse)) as connection:
        listed_columns = set(connection.read_parquet(files, union_by_name=True).columns)
        held_columns = {
            column
            for (column,) in connection.execute(
                "select column_name from information_schema.columns "
                "where table_schema = ? and table_name = ?",
                [settings.RAW, name],
            ).fetchall()
        }
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


def remove_unlisted(pipeline: dlt.Pipeline, load_id: str, names: Iterable[str]) -> dict[str, int]:
    """Remove the rows that a whole read did not see, in one transaction over all its lists.

    A merge gives every row that was listed the load's id; what bears another was not listed.

    Args:
        pipeline: with `load_id` loaded.
        load_id: the load of the whole read.
        names: the lists that it read.

    Returns:
        How many rows were removed from each list's table.
    """
    removed = {}
    with pipeline.sql_client() as client, client.begin_transaction():
        for name in names:
            stale = client.execute_sql(
                f"delete from {name} where _dlt_load_id <> %s returning 1", load_id
            )
            removed[name] = len(stale or ())
            client.execute_sql(
                f"delete from {settings.REJECTED_TABLE} where resource = %s and _dlt_load_id <> %s",
                name,
                load_id,
            )
    return removed
