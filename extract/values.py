"""Single values of API rows, made fit for the columns of the raw tables."""

import json
import math
import re
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from itertools import chain
from typing import Any

import orjson

from extract.bodies import parse_json

MAX_BIGINT = 2**63 - 1
MAX_EXACT = 2**53  # from here on, a number with a fraction may stand for another whole number
MAX_DEPTH = 100  # levels of JSON; orjson writes about 250
TEXT_TYPES = frozenset((str, type(None)))
WHOLE_TYPES = frozenset((int, type(None)))
SIMPLE_TYPES = frozenset((str, int, bool, type(None)))  # orjson writes them or says that it cannot
WHOLE_NUMBER = re.compile(r"-?[0-9]{1,19}([.]0+)?")  # Python refuses to read 4,300 digits
# as the dbt macro `trimmed` has them: every space of Unicode and what has no width
BLANKS = "".join(
    chr(code_point)
    for first, last in (
        *((0x09, 0x0D), (0x1C, 0x20), (0x85, 0x85), (0xA0, 0xA0), (0xAD, 0xAD), (0x1680, 0x1680)),
        *((0x180E, 0x180E), (0x2000, 0x200D), (0x2028, 0x2029), (0x202F, 0x202F)),
        *((0x205F, 0x2064), (0x3000, 0x3000), (0xFEFF, 0xFEFF)),
    )
    for code_point in range(first, last + 1)
)
STRICT_JSON = json.JSONEncoder(allow_nan=False)  # orjson writes null for NaN and infinity
# as the dbt macros `to_number` and `to_utc_timestamp` read them, in capitals
NUMBER = re.compile(r"[+-]?([0-9]+([.][0-9]*)?|[.][0-9]+)(E[+-]?0*1?[0-9]{1,2})?")
MAX_NUMBER_LENGTH = 100  # characters
UNIX_SECONDS = (315532800, 7258118400)  # of 1980-01-01 and 2200-01-01
UNIX_UNITS = (1, 10**3, 10**6)  # how many are a second
MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
TIMESTAMP = re.compile(
    r"(19[89][0-9]|2[01][0-9]{2})-[0-9]{2}-[0-9]{2}"
    r"([T ][0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]+)?)?"
    r"( ?(Z|UTC?|GMT|[+-][01][0-9](:?[0-9]{2})?))?)?"
)
UTC_NAMES = ("UTC", "UT", "GMT")
PHP_DATE = re.compile(r'"DATE": ?"([^"]*)"')
PHP_ZONE = re.compile(r'"TIMEZONE": ?"([^"]*)"')
RFC_2822 = re.compile(
    rf"((MON|TUE|WED|THU|FRI|SAT|SUN), *)?([0-9]{{1,2}}) +({'|'.join(MONTHS)}) +([0-9]{{4}})"
    r" +([0-9:]+)( +([A-Z]+|[+-][0-9]{4})( +[(][A-Z]+[)])?)?"
)


def parse_moment(value: Any) -> datetime | None:
    """Return a `last_update` as an aware UTC timestamp, None where it cannot be read.

    The spellings are those of the dbt macro `to_utc_timestamp`: UNIX seconds, milliseconds or
    microseconds; `YYYY-MM-DD`, with `HH:MM` or `HH:MM:SS` after a blank or `T`, with or without a
    zone (without one it is UTC); the JSON of a PHP `DateTime` object; RFC 2822.
    """
    try:
        text = (as_text(value) or "").strip(BLANKS).upper()
        if not TIMESTAMP.fullmatch(text):
            if NUMBER.fullmatch(text) and len(text) <= MAX_NUMBER_LENGTH:
                return _from_unix_time(float(text))
            text = _as_timestamp(text)
            if not TIMESTAMP.fullmatch(text):
                return None
        zone = text[16:].replace(" ", "")
        if zone.endswith(UTC_NAMES):
            zone = zone.rstrip("UTCGM") + "Z"
        moment = datetime.fromisoformat(text[:16] + zone)
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except ValueError:
        return None


def _from_unix_time(number: float) -> datetime | None:
    for units in UNIX_UNITS:
        if UNIX_SECONDS[0] * units <= number < UNIX_SECONDS[1] * units:
            return datetime.fromtimestamp(number / units, UTC)
    return None


def _as_timestamp(text: str) -> str:
    """Return a timestamp in a spelling of PHP or RFC 2822 as `TIMESTAMP` has it; others as is."""
    if text[:1] == "{":
        php = (PHP_DATE.search(text), PHP_ZONE.search(text))
        return " ".join(found[1] for found in php if found).strip()
    if found := RFC_2822.fullmatch(text):
        day, month, year, time, zone = found.group(3, 4, 5, 6, 8)
        month_number = MONTHS.index(month) + 1
        return f"{year}-{month_number:02d}-{int(day):02d} {time} {zone or ''}".rstrip()
    return text


def as_text(value: Any) -> str | None:
    """Return a JSON value as text: 45.07, true, {"a": 1}; a text and null as they are."""
    if value is None or isinstance(value, str):
        return value
    kind = type(value)
    if kind is int or (kind is float and math.isfinite(value)):
        return repr(value)  # as JSON writes it
    return json.dumps(value, ensure_ascii=False)


def as_texts(values: Sequence[Any]) -> Sequence[str | None]:
    """Return the values of one field as texts. Most fields hold texts or whole numbers alone."""
    types = set(map(type, values))
    if types <= TEXT_TYPES:
        return values
    if types <= WHOLE_TYPES:
        return [None if value is None else repr(value) for value in values]
    return [as_text(value) for value in values]


def as_json(value: Any) -> Any:
    """Return a value that a JSON column takes: an object, a list, or a list of what is neither.

    An object may come as JSON text, also as such a text within another; a blank text is null.
    """
    if isinstance(value, str):
        if not value.strip():
            return None
        parsed = _object_in(value)
        return [value] if parsed is None else parsed
    return value if value is None or isinstance(value, dict | list) else [value]


def _object_in(text: str) -> dict[str, Any] | None:
    """Return the object that a text is the JSON of, None where it is not one."""
    value: Any = text
    for _ in range(2):
        if not isinstance(value, str) or value.lstrip()[:1] not in ("{", '"'):
            break
        try:
            value = parse_json(value)
        except ValueError:
            return None
    return value if isinstance(value, dict) else None


def is_inexact(value: Any) -> bool:
    """Tell whether a number stands for more than one whole number, as floats from 2^53 on do."""
    return isinstance(value, float) and MAX_EXACT <= abs(value) < math.inf


def as_whole_number(value: Any) -> int | None:
    """Return a whole number of 64 bits, also out of "417" and 417.0; None where it is none."""
    if type(value) is not int:
        text = "" if isinstance(value, bool) or is_inexact(value) else str(value).strip()
        if not WHOLE_NUMBER.fullmatch(text):
            return None
        value = int(text.split(".")[0])
    return value if abs(value) <= MAX_BIGINT else None


def as_key(value: Any) -> str:
    """Return the text of a primary key.

    Raises:
        ValueError: it is none; says why.
    """
    text = value.strip(BLANKS) if isinstance(value, str) else None
    if text and text.isascii():
        return text
    if value is None or text == "":
        raise ValueError("is missing or blank")
    finite = not isinstance(value, float) or math.isfinite(value)
    if isinstance(value, bool | dict | list) or not finite:
        raise ValueError("is neither a text nor a number")
    number = as_whole_number(value) if isinstance(value, float) else None
    return storable_text(str(value if number is None else number).strip(BLANKS))


def json_texts(values: Sequence[Any]) -> list[str | None]:
    """Return objects and lists, or null, as JSON texts that a warehouse can store (`storable`)."""
    with suppress(TypeError, ValueError, RecursionError):
        if not _are_simple(values):
            STRICT_JSON.encode(values)
        return [value if value is None else orjson.dumps(value).decode() for value in values]
    return [value if value is None else _json_text(value) for value in values]


def _are_simple(values: Sequence[Any]) -> bool:
    """Tell whether values are objects, or null, of texts, whole numbers and the like alone."""
    objects = [value for value in values if value is not None]
    return all(type(value) is dict for value in objects) and SIMPLE_TYPES.issuperset(
        map(type, chain.from_iterable(map(dict.values, objects)))
    )


def _json_text(value: Any) -> str:
    with suppress(TypeError, ValueError, RecursionError):
        STRICT_JSON.encode(value)
        return orjson.dumps(value).decode()
    return orjson.dumps(storable(value)).decode()


def storable(value: Any, depth: int = 0) -> Any:
    """Return a JSON value as a warehouse can store it, without losing what it says.

    Halves of a character become their escapes; NaN, infinity, whole numbers of more than 64 bits
    and what is nested too deep become text.
    """
    match value:
        case dict() | list() if depth == MAX_DEPTH:
            return json.dumps(value)
        case dict():
            # no comprehension: in Python 3.11 it takes another level of the stack, which JSON that
            # Python could just read does not leave
            mended = {}
            for key, item in value.items():
                mended[storable_text(key)] = storable(item, depth + 1)
            return mended
        case list():
            items = []
            for item in value:
                items.append(storable(item, depth + 1))
            return items
        case str():
            return storable_text(value)
        case float() if not math.isfinite(value):
            return json.dumps(value)
        case int() if abs(value) > MAX_BIGINT:
            return str(value)
    return value


def storable_text(text: str) -> str:
    """Return a text with the escapes of its halves of characters."""
    return text.encode("utf-8", "backslashreplace").decode()
