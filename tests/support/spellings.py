"""Values of rows in all spellings, with what the dbt project reads out of each on every engine."""

from collections.abc import Callable, Mapping
from datetime import datetime
from types import SimpleNamespace
from typing import Any

NOON = datetime(2024, 6, 27, 12, 0)
PHP = '{{"date": "2024-06-27 12:00:00.000000", "timezone_type": 3, "timezone": "{}"}}'

TIMESTAMPS: dict[str, datetime | None] = {
    "1719489600": NOON,
    "1719489600.5": NOON.replace(microsecond=500_000),
    "1.7194896E9": NOON,
    "1719489600000": NOON,
    "1719489600250": NOON.replace(microsecond=250_000),
    "1719489600000.0": NOON,
    "1719489600000000": NOON,
    "1719489600123456": NOON.replace(microsecond=123_456),
    "315532800000": datetime(1980, 1, 1),
    "7258118399999": datetime(2199, 12, 31, 23, 59, 59, 999_000),
    "2024-06-27": datetime(2024, 6, 27),
    "2024-06-27T12:00": NOON,
    "2024-06-27 12:00:00": NOON,
    "2024-06-27 14:00:00+02:00": NOON,
    "2024-06-27t12:00:00z": NOON,
    "2024-06-27 05:00:00 -0700": NOON,
    "2024-06-27 12:00:00 UTC": NOON,
    "2024-06-27 12:00:00 utc": NOON,
    "2024-06-27T12:00:00GMT": NOON,
    "2024-06-27 12:00 UTC": NOON,
    "\u00a02024-06-27 12:00:00\u200b\n": NOON,
    "Thu, 27 Jun 2024 12:00:00 +0000": NOON,
    "Thu, 27 Jun 2024 07:00:00 -0500": NOON,
    "thu, 27 jun 2024 12:00:00 gmt": NOON,
    "27 Jun 2024 12:00 UT": NOON,
    "Thu,  27 Jun 2024  12:00:00 +0000 (UTC)": NOON,
    "Sat, 7 Dec 2024 12:00:00 Z": datetime(2024, 12, 7, 12, 0),
    "27 Jun 2024 12:00:00": NOON,
    PHP.format("UTC"): NOON,
    PHP.format("Z"): NOON,
    PHP.format("+00:00"): NOON,
    PHP.format("+02:00"): datetime(2024, 6, 27, 10, 0),
    PHP.format("UTC").replace(": ", ":").replace(", ", ","): NOON,
    '{"timezone": "GMT", "date": "2024-06-27 12:00:00"}': NOON,
    '{"date": "2024-06-27 12:00:00.250000"}': NOON.replace(microsecond=250_000),
    # no timestamps, or of a zone that not every engine knows
    PHP.format("Europe/Rome"): None,
    PHP.format("EST"): None,
    '{"date": "yesterday", "timezone": "UTC"}': None,
    '{"at": 1}': None,
    '{"date": 1719489600}': None,
    "{": None,
    "[1719489600]": None,
    "2024-06-27 12:00:00 Europe/Rome": None,
    "2024-06-27 UTC": None,
    "2024-02-30": None,
    "Thu, 27 Jun 2024 12:00:00 EST": None,
    "Thu, 30 Feb 2024 12:00:00 +0000": None,
    "Thu, 27 Juni 2024 12:00:00 +0000": None,
    "27 Jun 24 12:00:00 +0000": None,
    "0": None,
    "-1719489600": None,
    "1_719_489_600": None,
    "20240627": None,
    "20240627120000": None,
    "7258118400": None,
    "315532799999": None,
    "1719489600000000000": None,
    "\u0662024-06-27": None,
    "nan": None,
    "infinity": None,
    "": None,
}

NUMBERS: dict[str, float | None] = {
    "9": 9,
    " 9 ": 9,
    "\u00a09\u2003": 9,
    "+9": 9,
    "-9": -9,
    "9.": 9,
    "9.5": 9.5,
    ".5": 0.5,
    "1e1": 10,
    "1E+1": 10,
    "95e-1": 9.5,
    "1e-199": 1e-199,
    "1_0": None,
    "1,5": None,
    "0x10": None,
    "\u0661": None,
    "\uff11": None,
    "1 0": None,
    "1e": None,
    "e1": None,
    ".": None,
    "+-9": None,
    "--9": None,
    "9d": None,
    "1e400": None,
    "1e-400": None,
    "9" * 101: None,
    "NaN": None,
    "Infinity": None,
    "-inf": None,
    "ten": None,
    "true": None,
    "[9]": None,
    "": None,
}

# a flag, and whether it is an objection to being written to
FLAGS: dict[str, tuple[bool | None, bool | None]] = {
    **dict.fromkeys(("1", "1.0", "true", "T", " Yes ", "y", "on", "ON\u00a0"), (True, True)),
    **dict.fromkeys(("0", "0.0", "False", "f", "no", "N\t", "off", "Off", "[]"), (False, False)),
    **dict.fromkeys(("", " ", "\u200b\u3000"), (None, None)),
    **dict.fromkeys(
        (
            *("2", "-1", "2024-06-27 11:58:41", "1719403121", "unsubscribed", "null", "none"),
            *('{"at": 1}', "{}", '["newsletter"]', "[0]", "nono"),
        ),
        (None, True),
    ),
}

# an e-mail, what is shown of it, and whether there is somebody to write to
EMAILS: dict[str, tuple[str | None, bool]] = {
    "x@y.z": ("x@y.z", True),
    "\u00a0x@y.z\u00a0": ("x@y.z", True),
    "\ufeffx@y.z\u200b\u2060": ("x@y.z", True),
    "\u3000": (None, False),
    "\u00a0": (None, False),
    "\u200b": (None, False),
    "\u180e\u200c\u200d\u2028\u1680": (None, False),
    "": (None, False),
    "null": ("null", False),
    "-": ("-", False),
    "N/A": ("N/A", False),
    "no-at-sign": ("no-at-sign", False),
    "@": ("@", False),
    "x@": ("x@", False),
    "@y.z": ("@y.z", False),
    "x@\u00a0": ("x@", False),
    "x@y@z": ("x@y@z", False),
    "x@@y.z": ("x@@y.z", False),
    "x y": ("x y", False),
}

Ask = Callable[[str], list[tuple[Any, ...]]]


def check_spellings(macros: SimpleNamespace, ask: Ask, literal: Callable[[str], str]) -> None:
    """Check that an engine reads all values right.

    Args:
        macros: of `tests.support.macros`.
        ask: returns the rows of a query.
        literal: returns a text as SQL.
    """
    cases: list[tuple[Mapping[str, Any], str, str]] = [
        (TIMESTAMPS, macros.to_utc_timestamp("v"), "given"),
        (NUMBERS, macros.to_number_between("v", -1000, 1000), "given"),
        (FLAGS, f"{macros.to_boolean('v')}, {macros.to_objection('v')}", "given"),
        (EMAILS, f"email, {macros.is_reachable()}", "emails"),
    ]
    for expected, selected, source in cases:
        values = ", ".join(f"({n}, {literal(text)})" for n, text in enumerate(expected))
        rows = ask(
            f"with given (n, v) as (values {values}), "
            f"emails as (select n, {macros.blank_to_null('v')} as email, false as is_unsubscribed, "
            "false as is_bounced, false as is_marked_as_spam from given) "
            f"select {selected} from {source} order by n"
        )
        found = [tuple(row) if len(row) > 1 else row[0] for row in rows]
        assert dict(zip(expected, found, strict=True)) == expected
