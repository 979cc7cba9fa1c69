"""Erases one person from a warehouse and from what is published: from tables and from bytes.

DuckDB leaves deleted rows readable in the free blocks of a file. So nothing is deleted: all rows
but the person's are copied to a new file, which then takes the place of the old one in one step. A
process that is killed leaves the old warehouse or the new one, whole, and can be repeated. The copy
is made in dlt's working folder, which every run empties, and never holds a row of the person. The
current published version is published anew without the person, and all former ones are removed.
"""

import shutil
from pathlib import Path
from typing import NamedTuple

import duckdb

from extract.errors import EltError
from extract.folder import Folder, to_disk
from extract.person import Person, Rows, Table, count_rows, tables_of
from publish.publication import find, publish_without
from publish.versions import CONTACTS


class Erased(NamedTuple):
    """What was erased: how many rows of which tables, and all ids of the person.

    The tables are those of the warehouse by schema and name, and published ones as `published`.
    """

    rows: dict[str, int]
    ids: list[str]


def erase(folder: Folder, contact_id: str, is_confirmed: bool) -> Erased:
    """Erase one person from a warehouse, what is published, and what runs left behind.

    Args:
        folder: the warehouse's, locked.
        contact_id: as marts show it, `417` or `user:<user_id>`.
        is_confirmed: all contacts that a user id connects are known to be the person.

    Returns:
        What was erased.

    Raises:
        EltError: there is no warehouse, or no such contact in it, or a user id connects several
            contacts and that is not confirmed; nothing was changed.
    """
    if not folder.warehouse.exists():
        raise EltError(
            f"There is no warehouse at {folder.warehouse}: nothing to erase. If something is "
            f"published in {folder.path}, remove that by hand."
        )
    with folder.connect() as connection:
        # a killed run's log must not be replayed into the new file; closing would hide a failure
        connection.execute("checkpoint")
        person = Person(contact_id)
        tables = tables_of(connection)
        person.learn_from(connection, tables)
        published = find(folder, person)
        doomed = {table: person.rows_of(connection, table) for table in tables}
        counts = {table: count_rows(connection, table, rows) for table, rows in doomed.items()}
        known = any(count for table, count in counts.items() if not table.is_derived)
        if not known and not published.is_any:
            raise EltError(
                f"Neither the warehouse nor what is published holds anything of a contact "
                f"{contact_id!r}; nothing was changed. "
                "Give its contact_id as marts show it, such as 417 or user:a1b2."
            )
        if len(person.contact_ids) > 1 and not is_confirmed:
            raise EltError(
                f"A user id connects {contact_id!r} with several contacts: "
                f"{', '.join(sorted(person.contact_ids))}. Nothing was erased. If all of them are "
                f"this person, erase them together: elt forget {contact_id} --yes"
            )
        _remove(folder.dlt)  # what a failed run had read
        folder.dlt.mkdir()
        copy = folder.dlt / folder.warehouse.name
        _copy(connection, copy, doomed)
    # Once the warehouse does not know the person, this cannot be repeated: so the rest goes first.
    publish_without(folder, published.rows)
    # errors show values: in dbt's log and results; and DuckDB leaves a folder when it is killed
    spilled = (Path(f"{folder.warehouse}.tmp"), folder.path / f"{CONTACTS}.tmp")
    _remove(folder.logs, folder.dbt, *spilled)
    to_disk(copy)
    warehouse = folder.warehouse.resolve()  # a link stays one
    copy.replace(warehouse)
    to_disk(warehouse.parent)
    _remove(folder.dlt)
    rows = {f"{table.schema}.{table.name}": count for table, count in counts.items()}
    rows |= {f"published.{mart}": count for mart, count in published.counts.items()}
    return Erased({table: count for table, count in rows.items() if count}, sorted(person.ids))


def _copy(connection: duckdb.DuckDBPyConnection, copy: Path, doomed: dict[Table, Rows]) -> None:
    """Write all but some rows to a new file, with the views, comments and constraints.

    In the format of the old one: that of a newer DuckDB may be closed to the BI tools in use.
    """
    name, storage = connection.execute(
        "select database_name, tags['storage_version'] from duckdb_databases() "
        "where database_name = current_database()"
    ).fetchone() or ("", "")
    # the data folder has refused a path with a quote in it
    connection.execute(f"attach '{copy}' as copied (storage_version '{storage.rstrip('+')}')")
    connection.execute(f"copy from database {name} to copied (schema)")
    for table, (condition, values) in doomed.items():
        connection.execute(
            f"insert into copied.{table.quoted} from {table.quoted} where not ({condition})", values
        )
    connection.execute("detach copied")


def _remove(*folders: Path) -> None:
    for folder in folders:
        if folder.exists():
            shutil.rmtree(folder)
