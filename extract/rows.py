"""Prepares the rows of a page for the raw tables.

A row keeps what the API said: the contact's id as a number, `attributes` as one JSON value, all
else as text, known or not: a text column takes whatever an API sends next. A row without its key is
set aside for `raw.rejected_rows`. Each row gets its cursor, for the incremental read, and its
version, which orders copies of a row that shifting pages show.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import dlt
from dlt.common.normalizers.naming.snake_case import NamingConvention
from dlt.extract.items_transform import ItemTransform

from extract import settings
from extract.values import (
    as_json,
    as_key,
    as_text,
    as_whole_number,
    is_storable,
    parse_moment,
    storable,
)

Row = dict[str, Any]
NAMING = NamingConvention()
ODD_NUMBER = f"other_{settings.CONTACT_NUMBER}"  # a user's contact id that is no whole number


@dataclass
class ListCounts:
    """What one run read of one list, in all its reads of it.

    A page costs more than one request when it is retried.
    """

    pages: int = 0
    requests: int = 0
    rows_read: int = 0
    last_keys: Sequence[Row] = ()  # of the last page that had rows
    on_page: Callable[[], None] = lambda: None

    def count_request(self) -> None:
        """Count one answer of the API."""
        self.requests += 1


class PreparePage(ItemTransform[Any, dict[str, Any]]):
    """Turns a page of API rows into rows of the raw table and rows set aside.

    It stands before the incremental step, which needs the cursor.

    Args:
        name: `leads` or `users`.
        counts: counted up for every page.
        started_at: the run's start, an aware moment; a `last_update` well after it is no cursor.
    """

    def __init__(self, name: str, counts: ListCounts, started_at: datetime) -> None:
        super().__init__(self.prepare)
        self.counts = counts
        self.started_at = started_at
        self.primary_key = settings.ENDPOINTS[name].primary_key
        self.name = name
        self._read_at = started_at
        # the declared fields have their columns before any other comes
        self._columns = {field: field for field in settings.list_columns(name) if field[0] != "_"}
        self._columns[ODD_NUMBER] = ODD_NUMBER

    def __call__(self, item: list[Any], meta: Any = None) -> Iterator[Any]:
        """Yield the page's good rows, then those set aside, for their own table."""
        self._read_at = datetime.now(UTC)
        good: list[Row] = []
        bad: list[Row] = []
        for row in item:
            self.counts.rows_read += 1
            try:
                good.append(self.prepare(row))
            except ValueError as reason:
                bad.append(_rejected(self.name, row, str(reason)))
        self.counts.pages += 1
        if good:
            self.counts.last_keys = [{key: row[key] for key in self.primary_key} for row in good]
        self.counts.on_page()
        # an empty page still makes its table, with all its columns
        nothing = dlt.mark.materialize_table_schema()
        yield good or nothing
        yield dlt.mark.with_table_name(bad or nothing, settings.REJECTED_TABLE)

    def prepare(self, row: Any) -> Row:
        """Return a row of the raw table.

        Raises:
            ValueError: the row has no usable key; says why.
        """
        if not isinstance(row, dict):
            raise ValueError("is not an object")
        ready: Row = {}
        for field, value in row.items():
            if field != "attributes":
                ready[self._column(field)] = as_text(value)
        ready["attributes"] = as_json(row.get("attributes"))
        number = row.get(settings.CONTACT_NUMBER)
        ready[settings.CONTACT_NUMBER] = as_whole_number(number)
        for field in self.primary_key:
            try:
                key = as_key(row.get(field))
            except ValueError as problem:
                raise ValueError(f"{field} {problem}") from None
            if field != settings.CONTACT_NUMBER:
                ready[field] = key
            elif ready[field] is None:
                raise ValueError(f"{field} is not a whole number")
        if ready[settings.CONTACT_NUMBER] is None and number and str(number).strip():
            ready[ODD_NUMBER] = as_text(number)
        moment = parse_moment(row.get("last_update"))
        if moment and moment > self.started_at + settings.FUTURE_TOLERANCE:
            moment = None
        # a clock that is ahead a little must not move the cursor past what is still to come
        ready[settings.CURSOR] = min(moment, self.started_at).timestamp() if moment else None
        # of copies with one last_update, or without, the later read is newer
        changed_at = (moment or self._read_at).isoformat(timespec="microseconds")
        ready[settings.VERSION] = f"{changed_at} {self.counts.rows_read:012d}"
        return ready if is_storable(ready) else storable(ready)

    def _column(self, field: str) -> str:
        """Return a field's column. Every field of a read has its own; declared ones come first."""
        if field not in self._columns:
            # a name keeps letters beyond ASCII only by their numbers; without, many are the same
            ascii_field = field.encode("ascii", "backslashreplace").decode()
            column = NAMING.normalize_identifier(ascii_field) if field.strip() else "blank"
            if column[0] == "_":
                column = NAMING.normalize_identifier(f"other{column}")
            while column in self._columns.values():
                column = f"other_{column}"
            self._columns[field] = column
        return self._columns[field]


def _rejected(resource: str, row: Any, reason: str) -> Row:
    text = json.dumps(row, sort_keys=True)
    return {
        "resource": resource,
        "row_hash": hashlib.sha256(text.encode()).hexdigest(),
        "reason": reason,
        "row_json": storable(row if isinstance(row, dict | list) else [row]),
    }
