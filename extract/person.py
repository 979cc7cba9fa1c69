"""Finds one person's rows in a warehouse, in whatever tables there are.

Columns tell whose a row is: `contact_id`, `crmhero_user_id` and `user_id`, and in `row_json`, a row
as the API sent it, the fields of these names. An e-mail tells it in `row_json` only, where it may
be all there is: elsewhere it would take the rows of another contact that shares it.

As in the model `int_contacts_resolved`, different positive numbers are different contacts. A user
id connects several of them only if `raw.users` has it with one number at most: then the others are
in the history of a user whose number came late or changed.
"""

import json
from contextlib import suppress
from typing import Any, NamedTuple

from duckdb import DuckDBPyConnection

from extract import settings
from extract.project import marts
from extract.values import BLANKS, as_key, as_whole_number

AUDIT = "audit"  # the rows that made a dbt test fail: any column may show any value
MARTS = ("marts", "main")  # the schemas of marts: in the warehouse, and where they are published
ID_COLUMNS = ("contact_id", settings.CONTACT_NUMBER, "user_id")
USER = "user:"  # begins the contact_id of a user without a number
# as the dbt macro `account_id` has them
IDS_OF_NOBODY = (
    *("undefined", "null", "nil", "none", "nan", "n/a", "na", "unknown", "anonymous", "guest"),
    *("false", "true", "[object object]", "{}", "[]", "(null)", "(none)", "(not set)", "not set"),
    *("empty", "default", "user_id", "userid", "user id"),
)


def account_of(user_id: str, email: str) -> str:
    """Return the contact_id of a user without a number, as the dbt macro `account_id` does."""
    is_nobody = user_id.lower() in IDS_OF_NOBODY or not user_id.strip("0-.")
    return f"{USER}{user_id}:{email}" if is_nobody else f"{USER}{user_id}"


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
    """All ids and e-mails of a person: the accounts of a contact, and the contacts of an account.

    An account that several contacts have in `raw.users` connects none of them.

    Args:
        contact_id: as marts show it, `417` or `user:<user_id>`.
    """

    def __init__(self, contact_id: str) -> None:
        self.ids = {contact_id} - {"", USER}  # numbers, and accounts as `account_of` returns them
        self.contact_ids: set[str] = set()  # of the ids, those that are contacts, now or once
        self._shared: set[str] = set()  # accounts that several contacts have
        self._emails: set[str] = set()

    def learn_from(self, connection: DuckDBPyConnection, tables: list[Table]) -> None:
        """Follow the ids through all rows that name two of them, history included."""
        self._find_shared(connection, tables)
        known = 0
        while known < len(self.ids):
            known = len(self.ids)
            for table in tables:
                if table.is_derived or table.columns.isdisjoint(ID_COLUMNS):
                    continue
                condition, values = self._rows_with_ids(table)
                names = [name for name in (*ID_COLUMNS, "email") if name in table.columns]
                texts = ", ".join(f"{name}::varchar" for name in names)
                select = f"select distinct {texts} from {table.quoted} where {condition}"
                for row in connection.execute(select, values).fetchall():
                    self._learn(dict(zip(names, row, strict=True)))

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

    def _find_shared(self, connection: DuckDBPyConnection, tables: list[Table]) -> None:
        for table in tables:
            if (table.schema, table.name) == (settings.RAW, "users"):
                select = (
                    f"select {_account(table)} as account from {table.quoted} "
                    f"where {settings.CONTACT_NUMBER} > 0 group by account "
                    f"having count(distinct {settings.CONTACT_NUMBER}) > 1"
                )
                self._shared |= {account for (account,) in connection.execute(select).fetchall()}

    def _learn(self, row: dict[str, str | None]) -> None:
        contact_id = row.get("contact_id") or row.get(settings.CONTACT_NUMBER)
        number = as_whole_number(contact_id)
        if contact_id and (number is None or number > 0):
            self.ids.add(contact_id)
            self.contact_ids.add(contact_id)
        if user_id := row.get("user_id"):
            self.ids |= {account_of(user_id, row.get("email") or "")} - self._shared
        if "@" in (email := row.get("email") or ""):  # a filler such as "none" is many people's
            self._emails.add(_folded(email))

    def _rows_with_ids(self, table: Table) -> Rows:
        number = f"try_cast({settings.CONTACT_NUMBER} as bigint)"
        tests, values = ["false"], []
        if "contact_id" in table.columns:
            tests.append(f"list_contains({_LIST}, contact_id::varchar)")
            values.append(sorted(self.ids))
        if settings.CONTACT_NUMBER in table.columns:
            # of a user, 0 and below is none; of a lead, it is the key
            is_number = f"{number} > 0" if "user_id" in table.columns else "true"
            tests.append(f"{is_number} and list_contains({_LIST}, {number}::varchar)")
            values.append(sorted(self.ids))
        if "user_id" in table.columns:
            tests.append(f"list_contains({_LIST}, {_account(table)})")
            values.append(sorted(self.ids - self._shared))
            if settings.CONTACT_NUMBER in table.columns:
                is_none = f"coalesce({number}, 0) <= 0"
                tests.append(f"{is_none} and list_contains({_LIST}, {_account(table)})")
                values.append(sorted(self.ids))
        return Rows(" or ".join(f"coalesce({test}, false)" for test in tests), values)

    def _is_in(self, row_json: str) -> bool:
        row = json.loads(row_json)
        if not isinstance(row, dict):
            return False
        number = as_whole_number(row.get(settings.CONTACT_NUMBER)) or 0
        if number > 0 and str(number) in self.ids:
            return True
        with suppress(ValueError):
            user_id = as_key(row.get("user_id"))
            account = account_of(user_id, str(row.get("email")).strip(BLANKS))
            if account in (self.ids if number <= 0 else self.ids - self._shared):
                return True
        return _folded(str(row.get("email"))) in self._emails


_LIST = "?::varchar[]"


def _account(table: Table) -> str:
    """Return `account_of` as SQL; null where a table has no e-mail that it would need."""
    user_id = "user_id::varchar"
    words = ", ".join(f"'{word}'" for word in IDS_OF_NOBODY)
    email = "email" if "email" in table.columns else "null"
    return (
        f"'{USER}' || {user_id} || case when lower({user_id}) in ({words}) "
        f"or translate({user_id}, '0-.', '') = '' then ':' || {email} else '' end"
    )


def _folded(email: str) -> str:
    return email.strip(BLANKS).casefold()


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
