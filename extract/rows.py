"""Prepares the rows of a page for the raw tables.

A row keeps what the API said: known fields as text, `attributes` as one JSON value, unknown fields
as they are. A row without its key is set aside for `raw.rejected_rows`. Each row gets its cursor,
for the incremental read, and its version, which orders copies of a row that shifting pages show.
"""

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import dlt
from dlt.extract.items_transform import ItemTransform

from extract import settings

Row = dict[str, Any]
MAX_BIGINT = 2**63 - 1


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
        started_at: the run's start; a `last_update` well after it is no cursor.
    """

    def __init__(self, name: str, counts: ListCounts, started_at: datetime) -> None:
        super().__init__(self.prepare)
        self.name = name
        self.counts = counts
        self.latest_cursor = started_at + settings.FUTURE_TOLERANCE

    def __call__(self, item: list[Any], meta: Any = None) -> Iterator[Any]:
        """Yield the page's good rows, then those set aside, for their own table."""
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
        ready = dict(row)
        for field in settings.TEXT_FIELDS[self.name]:
            value = row.get(field)
            if value is not None and not isinstance(value, str):
                ready[field] = _as_text(value)
        ready["attributes"] = _as_json(row.get("attributes"))
        ready[settings.CONTACT_NUMBER] = _contact_number(row.get(settings.CONTACT_NUMBER))
        for field in settings.ENDPOINTS[self.name].primary_key:
            key = ready.get(field)
            if isinstance(key, str):
                ready[field] = key = key.strip()
            if key in (None, ""):
                raise ValueError(f"{field} is missing or blank")
        moment = parse_moment(row.get("last_update"))
        if moment and not settings.EPOCH <= moment <= self.latest_cursor:
            moment = None
        ready[settings.CURSOR] = moment
        # one second can hold two changes: of copies with one last_update the later read is newer
        changed_at = (moment or settings.EPOCH).isoformat(timespec="microseconds")
        ready[settings.VERSION] = f"{changed_at} {self.counts.rows_read:012d}"
        return ready


def parse_moment(value: Any) -> datetime | None:
    """Return a `last_update` as an aware UTC moment, None where it cannot be read.

    `YYYY-MM-DD HH:MM:SS` without a zone is UTC, as is any ISO 8601 text without one.
    """
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value.strip())
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


def _as_text(value: Any) -> str:
    """Return a JSON value that is no string as text: 45.07, true, {"a": 1}."""
    return json.dumps(value, ensure_ascii=False)


def _as_json(value: Any) -> Any:
    """Return a value that a JSON column takes: an object, a list, or a list of what is neither."""
    return value if value is None or isinstance(value, dict | list) else [value]


def _contact_number(value: Any) -> int | None:
    """Return `crmhero_user_id` as a number; a number in quotes is one, too.

    Raises:
        ValueError: it is neither blank nor a whole number of 64 bits.
    """
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    try:
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise ValueError
        number = int(value)
        if (number != float(value) and isinstance(value, float)) or abs(number) > MAX_BIGINT:
            raise ValueError
    except (ValueError, OverflowError):
        raise ValueError("crmhero_user_id is not a whole number") from None
    return number


def _rejected(resource: str, row: Any, reason: str) -> Row:
    text = json.dumps(row, sort_keys=True, ensure_ascii=False)
    return {
        "resource": resource,
        "row_hash": hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest(),
        "reason": reason,
        "row_json": _as_json(row) or [None],
    }
