"""Finds one person's rows in a warehouse, in whatever tables there are.

Columns tell whose a row is: `contact_id`, `crmhero_user_id` and `user_id`, and in `row_json`, a row
as the API sent it, the fields of these names. An e-mail tells it in `row_json` only, where it may
be all there is: elsewhere it would take the rows of another contact that shares it.
"""

import json
from contextlib import suppress
from typing import Any, NamedTuple

from duckdb import DuckDBPyConnection

from extract import settings
from extract.project import marts
from extract.values import as_key, as_whole_number

AUDIT = "audit"  # the rows that made a dbt test fail: any column may show any value
MARTS = ("marts", "main")  # the schemas of marts: in the warehouse, and where they are published
ID_COLUMNS = ("contact_id", settings.CONTACT_NUMBER, "user_id")
USER = "user:"  # begins the contact_id of a user without a number


class Table(NamedTuple):
    """A table and those of its columns that have the meaning of their name."""

    schema: str
    name: str
    columns: frozenset[str]

    @property
    def quoted(self) -> str:
        """The name as SQL."""
        return ".".join('"' + part.replace('"', '""') + '"' for part in (self.schema, self.name))

    @property
    def is_derived(self) -> bool:
        """Whether each run makes it anew and its columns do not tell whose words it shows."""
        if self.schema not in MARTS or not self.columns.isdisjoint(ID_COLUMNS):
            return self.schema == AUDIT
        return self.name in marts()


class Rows(NamedTuple):
    """Some rows of a table: a condition that is true or false, and its parameters."""

    condition: str
    values: list[Any]


class Person:
    """All ids and e-mails of a person: all accounts of a contact, and all contacts of an account.

    Args:
        contact_id: as marts show it, `417` or `user:<user_id>`.
    """

    def __init__(self, contact_id: str) -> None:
        self.contact_ids: set[str] = set()
        self.user_ids: set[str] = set()
        self.emails: set[str] = set()
        self._learn("contact_id", contact_id)

    def learn_from(self, connection: DuckDBPyConnection, tables: list[Table]) -> None:
        """Follow the ids through all rows that name two of them, history included."""
        known = 0
        while known < len(self.contact_ids):
            known = len(self.contact_ids)
            for table in tables:
                columns = [name for name in (*ID_COLUMNS, "email") if name in table.columns]
                if not columns or table.is_derived:
                    continue
                condition, values = self._rows_with_ids(table)
                texts = ", ".join(f"{name}::varchar" for name in columns)
                select = f"select distinct {texts} from {table.quoted} where {condition}"
                for row in connection.execute(select, values).fetchall():
                    for column, value in zip(columns, row, strict=True):
                        self._learn(column, value or "")

    def rows_of(self, connection: DuckDBPyConnection, table: Table) -> Rows:
        """Return the rows of a table that are the person's; all of a derived one."""
        if table.is_derived:
            return Rows("true", [])
        condition, values = self._rows_with_ids(table)
        if "row_json" not in table.columns:
            return Rows(condition, values)
        select = f"select rowid, row_json::varchar from {table.quoted} where row_json is not null"
        sent = connection.execute(select).fetchall()
        found = [rowid for rowid, row_json in sent if self._is_in(row_json)]
        return Rows(f"{condition} or list_contains(?::bigint[], rowid)", [*values, found])

    def _learn(self, column: str, value: str) -> None:
        if column == "email":
            if "@" in value:  # a filler such as "none" is many people's
                self.emails.add(value.strip().casefold())
            return
        contact_id = USER + value if column == "user_id" else value
        if contact_id in ("", USER):
            return
        self.contact_ids.add(contact_id)
        if contact_id.startswith(USER):
            self.user_ids.add(contact_id.removeprefix(USER))

    def _rows_with_ids(self, table: Table) -> Rows:
        tests, values = ["false"], []
        for column in ID_COLUMNS:
            if column in table.columns:
                tests.append(f"coalesce(list_contains(?::varchar[], {column}::varchar), false)")
                values.append(sorted(self.user_ids if column == "user_id" else self.contact_ids))
        return Rows(" or ".join(tests), values)

    def _is_in(self, row_json: str) -> bool:
        row = json.loads(row_json)
        if not isinstance(row, dict):
            return False
        number = as_whole_number(row.get(settings.CONTACT_NUMBER))
        if number is not None and str(number) in self.contact_ids:
            return True
        with suppress(ValueError):
            if as_key(row.get("user_id")) in self.user_ids:
                return True
        return str(row.get("email")).strip().casefold() in self.emails


def count_rows(connection: DuckDBPyConnection, table: Table, rows: Rows) -> int:
    """Count some rows of a table."""
    select = f"select count(*) from {table.quoted} where {rows.condition}"
    (count,) = connection.execute(select, rows.values).fetchone() or (0,)
    return int(count)


def tables_of(connection: DuckDBPyConnection) -> list[Table]:
    """Return the warehouse's tables, views left out."""
    rows = connection.execute(
        "select schema_name, table_name, list(lower(column_name)) from duckdb_columns() "
        "join duckdb_tables() using (database_name, schema_name, table_name) "
        "where database_name = current_database() group by all order by all"
    ).fetchall()
    return [Table(schema, name, _telling(schema, name, columns)) for schema, name, columns in rows]


def _telling(schema: str, name: str, columns: list[str]) -> frozenset[str]:
    """Leave out what the API sends under a name of ours: a lead's `user_id`, 0 in each, say."""
    if schema.startswith(settings.RAW) and name in settings.ENDPOINTS:
        return frozenset(columns) & frozenset(settings.list_columns(name))
    return frozenset(columns)
