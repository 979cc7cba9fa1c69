"""Prepares the rows of a list's pages for its raw table, as Arrow tables of some thousand rows.

A row keeps what the API said: the contact's id as a number, `attributes` as one JSON value, all
else as text, known or not: a text column takes whatever an API sends next. A row without its key is
set aside for `raw.rejected_rows`. Each row gets its cursor, for the incremental read, and its
version, which orders copies of a row that shifting pages show.

With the columns' types settled here, dlt need not look at each value of each row, which is most of
what loading JSON takes.
"""

import hashlib
import json
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from typing import Any, NamedTuple

import dlt
import pyarrow as pa
from dlt.common.normalizers.naming.snake_case import NamingConvention
from dlt.common.normalizers.utils import generate_dlt_ids
from dlt.extract.items_transform import ItemTransform

from extract import settings
from extract.client import ListPaginator
from extract.values import (
    as_json,
    as_key,
    as_text,
    as_texts,
    as_whole_number,
    is_inexact,
    json_texts,
    parse_moment,
    storable_text,
)

Row = dict[str, Any]
NAMING = NamingConvention()
ODD_NUMBER = f"other_{settings.CONTACT_NUMBER}"  # a user's contact id that is no whole number
ARROW_TYPES = {"bigint": pa.int64(), "double": pa.float64(), "text": pa.string()}
# what dlt is given at once: it spends milliseconds on each table
BATCH_ROWS = 5000
BATCH_BYTES = 2**24  # of the answers; rows can be large


@dataclass
class ListCounts:
    """What one run read of one list, in all its reads of it.

    A page costs more than one request when it is retried.
    """

    pages: int = 0
    requests: int = 0
    bytes_read: int = 0  # of all answers
    rows_read: int = 0
    undecodable_rows: int = 0  # rows with a byte that is not UTF-8
    last_keys: Sequence[Row] = ()  # of the last page that had rows
    on_page: Callable[[], None] = lambda: None

    def count_answer(self, size: int) -> None:
        """Count one answer of the API, of so many bytes."""
        self.requests += 1
        self.bytes_read += size

    def count_undecodable(self, rows: int) -> None:
        """Count rows of a page that contain a byte that is not UTF-8."""
        self.undecodable_rows += rows


class Page(NamedTuple):
    """A page's rows with a key, as columns; and the others, as rows of `raw.rejected_rows`."""

    keys: list[tuple[Any, ...]]
    cursors: list[float]  # of the rows that have one
    columns: dict[str, Sequence[Any]]
    rejected: list[Row]


class PreparePage(ItemTransform[Any, dict[str, Any]]):
    """Turns pages of API rows into tables of the raw table's rows, and rows set aside.

    It stands before the incremental step, which needs the cursor. Pages are gathered into batches,
    but never past a row that may end the read: the incremental step sees it at once.

    Args:
        name: `leads` or `users`.
        counts: counted up for every page.
        started_at: the run's start, an aware moment; a `last_update` well after it is no cursor.
        paginator: tells whether a page is the last.
        stops_below: returns the cursor that ends an incremental read when it meets an older one.
        on_page: called with each page, in the order of the list.
    """

    def __init__(
        self,
        name: str,
        counts: ListCounts,
        started_at: datetime,
        paginator: ListPaginator,
        stops_below: Callable[[], float],
        on_page: Callable[[Page], None] = lambda page: None,
    ) -> None:
        super().__init__(self.prepare)
        self.name = name
        self.counts = counts
        self.started_at = started_at
        self.paginator = paginator
        self.stops_below = stops_below
        self.on_page = on_page
        self.primary_key = settings.ENDPOINTS[name].primary_key
        self._types = {
            field: ARROW_TYPES.get(str(hint["data_type"]), pa.string())
            for field, hint in settings.list_columns(name).items()
        }
        # the declared fields have their columns before any other comes
        self._columns: dict[str | None, str] = {f: f for f in self._types if f[0] != "_"}
        self._columns[None] = ODD_NUMBER  # which is no field of the API's
        self._batch: list[Page] = []
        self._begun = False
        self._bytes_passed = 0

    def __call__(self, item: list[Any], meta: Any = None) -> Iterator[Any] | None:
        """Return good rows, and those set aside for their own table, once they are worth it."""
        page = self.prepare(item)
        self.counts.pages += 1
        if page.keys:
            self.counts.last_keys = [
                dict(zip(self.primary_key, key, strict=True)) for key in page.keys
            ]
        self.counts.on_page()
        self.on_page(page)
        self._batch.append(page)
        begins, self._begun = not self._begun, True
        stops = min(page.cursors, default=math.inf) < self.stops_below()
        if (
            begins  # alone, so that a limit of one page reads one
            or stops
            or not self.paginator.has_next_page
            or sum(len(page.keys) for page in self._batch) >= BATCH_ROWS
            or self.counts.bytes_read - self._bytes_passed >= BATCH_BYTES
        ):
            return self._pass_on(begins)
        return None

    def _pass_on(self, begins: bool) -> Iterator[Any]:
        batch, self._batch = self._batch, []
        self._bytes_passed = self.counts.bytes_read
        # without rows, the tables are still made, with all their columns
        nothing = dlt.mark.materialize_table_schema()
        if any(page.keys for page in batch):
            yield self._table(batch)
        elif begins:
            yield nothing
        rejected = list(chain.from_iterable(page.rejected for page in batch))
        if rejected or begins:
            yield dlt.mark.with_table_name(rejected or nothing, settings.REJECTED_TABLE)

    def _table(self, batch: Sequence[Page]) -> pa.Table:
        """Return the rows of some pages, with all declared columns."""
        names = dict.fromkeys(chain(self._types, *(page.columns for page in batch)))
        columns = {}
        for name in names:
            values = chain.from_iterable(
                page.columns.get(name, [None] * len(page.keys)) for page in batch
            )
            columns[name] = _array(list(values), self._types.get(name, pa.string()))
        return pa.table(columns)

    def prepare(self, rows: Sequence[Any]) -> Page:
        """Return a page's rows as the raw table holds them, and those without a usable key."""
        read_at = datetime.now(UTC)
        latest = self.started_at + settings.FUTURE_TOLERANCE
        good: list[Row] = []
        keys: list[tuple[Any, ...]] = []
        cursors: list[float | None] = []
        versions: list[str] = []
        rejected: list[Row] = []
        for row in rows:
            self.counts.rows_read += 1
            try:
                keys.append(self._key(row))
            except ValueError as reason:
                rejected.append(_rejected(self.name, row, str(reason)))
                continue
            good.append(row)
            moment = parse_moment(row.get("last_update"))
            if moment and moment > latest:
                moment = None
            # a clock that is ahead a little must not move the cursor past what is still to come
            cursors.append(min(moment, self.started_at).timestamp() if moment else None)
            # of copies with one last_update, or without, the later read is newer
            changed_at = (moment or read_at).isoformat(timespec="microseconds")
            versions.append(f"{changed_at} {self.counts.rows_read:012d}")
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
        columns[settings.CURSOR] = cursors
        columns[settings.VERSION] = versions
        columns[settings.ROW_ID] = generate_dlt_ids(len(good))
        known = [cursor for cursor in cursors if cursor is not None]
        return Page(keys, known, columns, rejected)

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


def _array(values: list[Any], data_type: pa.DataType) -> pa.Array:
    try:
        return pa.array(values, data_type)
    except UnicodeEncodeError:
        return pa.array([value and storable_text(value) for value in values], data_type)


def _rejected(resource: str, row: Any, reason: str) -> Row:
    text = json.dumps(row, sort_keys=True)
    (row_json,) = json_texts([row if isinstance(row, dict | list) else [row]])
    return {
        "resource": resource,
        "row_hash": hashlib.sha256(text.encode()).hexdigest(),
        "reason": reason,
        "row_json": row_json,
    }
