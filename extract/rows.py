"""Prepares the rows of a page for the raw tables.

A row keeps what the API said: known fields as text, `attributes` as one JSON value, unknown fields
as they are. A row without its key is set aside for `raw.rejected_rows`. Each row gets its cursor,
for the incremental read, and its version, which orders copies of a row that shifting pages show.
"""

import hashlib
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import dlt
from dlt.common.json import json as dlt_json
from dlt.common.normalizers.naming.snake_case import NamingConvention
from dlt.extract.items_transform import ItemTransform

from extract import settings

Row = dict[str, Any]
MAX_BIGINT = 2**63 - 1
WHOLE_NUMBER = re.compile(r"-?[0-9]+([.]0+)?")
NAMING = NamingConvention()
MOMENT = re.compile(
    r"(19[89]\d|2[01]\d\d)-\d\d-\d\d"
    r"([T ]\d\d:\d\d(:\d\d([.]\d+)?)?( ?(Z|[+-][01]\d(:?\d\d)?))?)?",
    re.ASCII,
)


@dataclass
class ListCounts:
    """What one run read of one list. A page costs more than one request when it is retried."""

    pages: int = 0
    requests: int = 0
    rows_read: int = 0
    rows_rejected: int = 0
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
        self.text_fields = settings.TEXT_FIELDS[name]
        self.primary_key = settings.ENDPOINTS[name].primary_key
        self.declared = frozenset(settings.list_columns(name))
        self.name = name
        self._read_at = started_at
        self._columns: dict[str, str] = {}

    def __call__(self, item: list[Any], meta: Any = None) -> Iterator[Any]:
        """Yield the page's good rows, then those set aside, for their own table."""
        self._read_at = datetime.now(UTC)
        try:
            dlt_json.dumpb(item)
        except (TypeError, ValueError):
            item = _storable(item)
        good: list[Row] = []
        bad: list[Row] = []
        for row in item:
            self.counts.rows_read += 1
            try:
                good.append(self.prepare(row))
            except ValueError as reason:
                bad.append(_rejected(self.name, row, str(reason)))
        self.counts.rows_rejected += len(bad)
        self.counts.pages += 1
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
        ready = {
            self._column(field): str(value) if _is_endless(value) else value
            for field, value in row.items()
        }
        for field in self.text_fields:
            value = ready.get(field)
            if value is not None and not isinstance(value, str):
                ready[field] = _as_text(value)
        ready["attributes"] = _as_json(row.get("attributes"))
        ready[settings.CONTACT_NUMBER] = _as_whole_number(row.get(settings.CONTACT_NUMBER))
        for field in self.primary_key:
            ready[field] = _as_key(field, row.get(field), ready.get(field))
        moment = parse_moment(row.get("last_update"))
        if moment and moment > self.started_at + settings.FUTURE_TOLERANCE:
            moment = None
        # a clock that is ahead a little must not move the cursor past what is still to come
        ready[settings.CURSOR] = min(moment, self.started_at).timestamp() if moment else None
        # of copies with one last_update, or without, the later read is newer
        changed_at = (moment or self._read_at).isoformat(timespec="microseconds")
        ready[settings.VERSION] = f"{changed_at} {self.counts.rows_read:012d}"
        return ready

    def _column(self, field: str) -> str:
        """Return a field's column; an unknown field never takes the place of a declared one."""
        if field not in self._columns:
            column = NAMING.normalize_identifier(field) if field.strip() else "blank"
            if field not in self.declared and (column in self.declared or column[:4] == "_dlt"):
                column = f"other_{column.lstrip('_')}"
            self._columns[field] = column
        return self._columns[field]


def parse_moment(value: Any) -> datetime | None:
    """Return a `last_update` as an aware UTC moment, None where it cannot be read.

    The spellings are those of the dbt macro `to_utc_timestamp`: `YYYY-MM-DD`, with `HH:MM` or
    `HH:MM:SS` after a blank or `T`, with or without a zone. Without one it is UTC.
    """
    if not isinstance(value, str):
        return None
    text = value.strip().upper()
    if not MOMENT.fullmatch(text):
        return None
    try:
        moment = datetime.fromisoformat(text[:16] + text[16:].replace(" ", ""))
    except ValueError:
        return None
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def _as_text(value: Any) -> str:
    """Return a JSON value that is no string as text: 45.07, true, {"a": 1}."""
    return json.dumps(value, ensure_ascii=False)


def _as_json(value: Any) -> Any:
    """Return a value that a JSON column takes: an object, a list, or a list of what is neither."""
    return value if value is None or isinstance(value, dict | list) else [value]


def _as_whole_number(value: Any) -> Any:
    """Return a whole number of 64 bits as such, also out of "417" and 417.0; none is None.

    Anything else is returned as it is: where it is no key, dlt keeps it in a column of its own.
    """
    if value is None or isinstance(value, bool):
        return None
    text = str(value).strip()
    if not text:
        return None
    if not WHOLE_NUMBER.fullmatch(text):
        return value
    number = int(text.split(".")[0])
    return None if _is_endless(number) else number


def _as_key(field: str, value: Any, ready: Any) -> Any:
    """Return the value of a primary key.

    Args:
        field: the key's name.
        value: as the API sent it.
        ready: as it would be loaded.

    Raises:
        ValueError: it is none.
    """
    if value is None or (isinstance(value, str) and not value.strip()):
        raise ValueError(f"{field} is missing or blank")
    if field == settings.CONTACT_NUMBER:
        if not isinstance(ready, int):
            raise ValueError(f"{field} is not a whole number")
        return ready
    if isinstance(value, bool | dict | list):
        raise ValueError(f"{field} is neither a text nor a number")
    return str(_as_whole_number(value)) if isinstance(value, float) else str(value).strip()


def _storable(value: Any) -> Any:
    """Return a JSON value without what no warehouse stores: half characters, endless integers."""
    match value:
        case dict():
            return {_storable(key): _storable(item) for key, item in value.items()}
        case list():
            return [_storable(item) for item in value]
        case str():
            return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        case int() if _is_endless(value):
            return str(value)
    return value


def _is_endless(value: Any) -> bool:
    """Tell whether a value is a whole number of more than 64 bits."""
    return isinstance(value, int) and abs(value) > MAX_BIGINT


def _rejected(resource: str, row: Any, reason: str) -> Row:
    text = json.dumps(row, sort_keys=True)
    return {
        "resource": resource,
        "row_hash": hashlib.sha256(text.encode()).hexdigest(),
        "reason": reason,
        "row_json": row if isinstance(row, dict | list) else [row],
    }
