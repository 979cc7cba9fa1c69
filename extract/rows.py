"""Prepares the rows of a page for the raw table of its endpoint, column by column.

A row keeps what the API sent: the contact's id as a number, `attributes` as one JSON value, all
else as text, known or not: a text column takes whatever an API sends next. A row without its
primary key is set aside for `raw.rejected_rows`. Each row gets its cursor, for the incremental
sync, and its version, which orders the copies of a row that shifting pages show.
"""

import hashlib
import json
from collections.abc import Callable, Hashable, Sequence
from datetime import UTC, datetime
from itertools import chain, compress
from typing import Any, NamedTuple

from dlt.common.normalizers.naming.snake_case import NamingConvention
from dlt.common.normalizers.utils import generate_dlt_ids

from extract import settings
from extract.customer import CustomerProject
from extract.values import (
    as_json,
    as_key,
    as_text,
    as_texts,
    as_whole_number,
    is_inexact,
    json_texts,
    parse_moment,
)

Row = dict[str, Any]
NAMING = NamingConvention()
ODD_NUMBER = f"other_{settings.CONTACT_NUMBER}"  # a user's contact id that is no whole number


class Page(NamedTuple):
    """A page's rows with a primary key, as columns; and the others, as rows of `rejected_rows`.

    `cursors` are the `last_update` of the rows in UNIX seconds, None where it is no cursor.
    """

    keys: list[tuple[Any, ...]]
    cursors: list[float | None]
    columns: dict[str, Sequence[Any]]
    rejected: list[Row]

    def identities(self) -> list[Hashable]:
        """Return the primary key of each row, and a hash of each row that has none."""
        return [*self.keys, *(row["row_hash"] for row in self.rejected)]

    def versions(self) -> list[Hashable]:
        """Return what changes whenever a row does, in the order of the identities."""
        updated = self.columns.get("last_update", [None] * len(self.keys))
        return [
            *zip(self.keys, updated, strict=True),
            *(row["row_hash"] for row in self.rejected),
        ]

    def contact_ids(self) -> list[Any]:
        """Return the ids of the contacts that have one, in the order of the rows."""
        numbers = self.columns.get(settings.CONTACT_NUMBER, ())
        return [number for number in numbers if number is not None]

    def only(self, keep: Sequence[bool]) -> "Page":
        """Return a page of some rows, by the place of their identities."""
        return Page(
            list(compress(self.keys, keep)),
            list(compress(self.cursors, keep)),
            {name: list(compress(values, keep)) for name, values in self.columns.items()},
            list(compress(self.rejected, keep[len(self.keys) :])),
        )


class RowPreparer:
    """Prepares the pages of an endpoint, in the order in which they were requested.

    Args:
        name: the endpoint's.
        started_at: the run's start, an aware timestamp; a `last_update` well after it is no cursor.
        project: which all rows must belong to.
        stored_columns: returns the columns of the fields that earlier syncs met, by field; those
            of new fields are added to it.
    """

    def __init__(
        self,
        name: str,
        started_at: datetime,
        project: CustomerProject,
        stored_columns: Callable[[], dict[str, str]],
    ) -> None:
        self.name = name
        self.started_at = started_at
        self.project = project
        self.stored_columns = stored_columns
        self.primary_key = settings.ENDPOINTS[name].primary_key
        declared = (field for field in settings.list_columns(name) if field[0] != "_")
        self._columns: dict[str | None, str] = {field: field for field in declared}
        self._columns[None] = ODD_NUMBER  # which is no field of the API's
        self._rows_prepared = 0

    def prepare(self, rows: Sequence[Any]) -> Page:
        """Return a page of rows.

        Raises:
            SettingsError: a row belongs to another customer project.
        """
        self.project.check(rows)
        read_at = datetime.now(UTC)
        latest = self.started_at + settings.FUTURE_TOLERANCE
        good: list[Row] = []
        keys: list[tuple[Any, ...]] = []
        cursors: list[float | None] = []
        versions: list[str] = []
        rejected: list[Row] = []
        for row in rows:
            self._rows_prepared += 1
            try:
                keys.append(self._key(row))
            except ValueError as reason:
                rejected.append(_rejected(self.name, row, str(reason)))
                continue
            good.append(row)
            moment = parse_moment(row.get("last_update"))
            if moment and moment > latest:
                moment = None
            cursors.append(moment.timestamp() if moment else None)
            # of copies with one last_update, or without, the later read is newer
            changed_at = (moment or read_at).isoformat(timespec="microseconds")
            versions.append(f"{changed_at} {self._rows_prepared:012d}")
        shapes = dict.fromkeys(map(tuple, good))  # the fields of rows; most pages have one
        fields = dict.fromkeys(chain.from_iterable(shapes))
        if len(shapes) > 1:
            good = [dict.fromkeys(fields) | row for row in good]
        values = dict(zip(fields, zip(*map(dict.values, good), strict=True), strict=True))
        nothing = [None] * len(good)
        attributes = values.pop("attributes", nothing)
        numbers = values.pop(settings.CONTACT_NUMBER, nothing)
        columns: dict[str, Sequence[Any]] = {
            self._column(field): as_texts(values[field]) for field in values
        }
        columns["attributes"] = json_texts([as_json(value) for value in attributes])
        columns[settings.CONTACT_NUMBER] = whole = [as_whole_number(number) for number in numbers]
        if any(number and value is None for number, value in zip(numbers, whole, strict=True)):
            columns[ODD_NUMBER] = [
                as_text(number) if value is None and number and str(number).strip() else None
                for number, value in zip(numbers, whole, strict=True)
            ]
        for position, field in enumerate(self.primary_key):
            columns[field] = [key[position] for key in keys]
        # a clock that is ahead a little must not move the cursor past what is still to come
        newest = self.started_at.timestamp()
        columns[settings.CURSOR] = [c if c is None or c < newest else newest for c in cursors]
        columns[settings.VERSION] = versions
        columns[settings.ROW_ID] = generate_dlt_ids(len(good))
        return Page(keys, cursors, columns, rejected)

    def _key(self, row: Any) -> tuple[Any, ...]:
        """Return a row's primary key.

        Raises:
            ValueError: it has none that can be used; says why.
        """
        if not isinstance(row, dict):
            raise ValueError("is not an object")
        key: list[Any] = []
        for field in self.primary_key:
            value = row.get(field)
            try:
                if is_inexact(value):
                    raise ValueError("is a decimal number of 2^53 or more, which is not exact")
                if field != settings.CONTACT_NUMBER:
                    key.append(as_key(value))
                elif (number := as_whole_number(value)) is not None:
                    key.append(number)
                else:
                    as_key(value)
                    raise ValueError("is not a whole number")
            except ValueError as problem:
                raise ValueError(f"{field} {problem}") from None
        return tuple(key)

    def _column(self, field: str) -> str:
        """Return a field's column: the declared one, the one of earlier syncs, or a new one."""
        if field not in self._columns:
            stored = self.stored_columns()
            # halves of characters cannot be stored
            name = field if field.isascii() else json.dumps(field)
            if name not in stored:
                # letters beyond ASCII keep only their numbers; without, many names are the same
                ascii_field = field.encode("ascii", "backslashreplace").decode()
                column = NAMING.normalize_identifier(ascii_field) if field.strip() else "blank"
                if column[0] == "_":
                    column = NAMING.normalize_identifier(f"other{column}")
                while column in self._columns.values() or column in stored.values():
                    column = f"other_{column}"
                stored[name] = column
            self._columns[field] = stored[name]
        return self._columns[field]


def _rejected(resource: str, row: Any, reason: str) -> Row:
    text = json.dumps(row, sort_keys=True)
    (row_json,) = json_texts([row if isinstance(row, dict | list) else [row]])
    return {
        "resource": resource,
        "row_hash": hashlib.sha256(text.encode()).hexdigest(),
        "reason": reason,
        "row_json": row_json,
    }
