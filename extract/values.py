"""Single values of API rows, made fit for the columns of the raw tables."""

import json
import re
from datetime import UTC, datetime
from typing import Any

from extract import settings

MAX_BIGINT = 2**63 - 1
WHOLE_NUMBER = re.compile(r"-?[0-9]+([.]0+)?")
MOMENT = re.compile(
    r"(19[89]\d|2[01]\d\d)-\d\d-\d\d"
    r"([T ]\d\d:\d\d(:\d\d([.]\d+)?)?( ?(Z|[+-][01]\d(:?\d\d)?))?)?",
    re.ASCII,
)


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


def as_text(value: Any) -> str:
    """Return a JSON value that is no string as text: 45.07, true, {"a": 1}."""
    return json.dumps(value, ensure_ascii=False)


def as_json(value: Any) -> Any:
    """Return a value that a JSON column takes: an object, a list, or a list of what is neither."""
    return value if value is None or isinstance(value, dict | list) else [value]


def as_whole_number(value: Any) -> Any:
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
    return None if is_endless(number) else number


def as_key(field: str, value: Any, ready: Any) -> Any:
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
    return str(as_whole_number(value)) if isinstance(value, float) else str(value).strip()


def storable(value: Any) -> Any:
    """Return a JSON value without what no warehouse stores: half characters, endless integers."""
    match value:
        case dict():
            return {storable(key): storable(item) for key, item in value.items()}
        case list():
            return [storable(item) for item in value]
        case str():
            return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        case int() if is_endless(value):
            return str(value)
    return value


def is_endless(value: Any) -> bool:
    """Tell whether a value is a whole number of more than 64 bits."""
    return isinstance(value, int) and abs(value) > MAX_BIGINT
