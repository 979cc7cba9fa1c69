"""Rows of an API that drifts: values, keys, attributes and fields that nobody expects.

Each case has beside it what the warehouse must make of it.
"""

import json
import math
from typing import Any, NamedTuple

from extract import settings
from tests.support.builders import Row, lead, user

FLAGS = ("is_user", "was_lead", "unsubscribe", "bounce", "spam", "sub_active")
PLACE = ("latitude", "longitude")
LONG = "x" * 300_000  # more than a block of a DuckDB file
RIGHT_TO_LEFT = "\u202e\u05e2\u05d1\u05e8\u200f"
ZALGO = "e\u0301" + "\u0301" * 100
DEEP: Any = "bottom"
for _ in range(300):
    DEEP = {"deeper": DEEP}


class Value(NamedTuple):
    """A value, its text in raw, and what marts show: the text, in a field of numbers or of flags.

    None of them is a date.
    """

    value: Any
    raw: str | None
    text: str | None
    number: float | None = None
    flag: bool | None = None


def same(value: Any, text: str) -> Value:
    """Return a value whose text is the same in raw and in marts."""
    return Value(value, text, text)


VALUES = [
    Value(None, None, None),
    Value("", "", None),
    Value(" \t\r\n", " \t\r\n", None),
    Value(True, "true", "true", flag=True),
    Value(False, "false", "false", flag=False),
    Value(7, "7", "7", number=7),
    Value(1.5e-7, "1.5e-07", "1.5e-07", number=1.5e-7),
    same(1e300, "1e+300"),
    same(2**63, "9223372036854775808"),
    same(-(2**63) - 1, "-9223372036854775809"),
    same(10**30, "1" + 30 * "0"),
    same("9" * 5000, "9" * 5000),
    same(math.nan, "NaN"),
    same(math.inf, "Infinity"),
    same(-math.inf, "-Infinity"),
    Value([], "[]", "[]", flag=False),
    same([1, "é", None, math.nan], '[1, "é", null, NaN]'),
    same({"a": {"b": "\x00"}, "": 2**64}, '{"a": {"b": "\\u0000"}, "": 18446744073709551616}'),
    same(DEEP, json.dumps(DEEP)),
    same("nul \x00 nul", "nul \x00 nul"),
    same("half \ud83d of \udc69", "half \\ud83d of \\udc69"),
    same("👩\u200d👩\u200d👧 🇮🇹", "👩\u200d👩\u200d👧 🇮🇹"),
    same(RIGHT_TO_LEFT, RIGHT_TO_LEFT),
    same(ZALGO, ZALGO),
    Value("\u00a0\u2003\ufeff", "\u00a0\u2003\ufeff", None),
    same("\uffff\ufdd0\U0010ffff", "\uffff\ufdd0\U0010ffff"),
    same("'; drop table raw.leads; --", "'; drop table raw.leads; --"),
    same(LONG, LONG),
    # dlt marks a decimal and a date so in its own files
    same("\uf02612.50", "\uf02612.50"),
    same("\uf0272026-01-01", "\uf0272026-01-01"),
    same("\uf02btext", "\uf02btext"),
]
LEAD_FIELDS = settings.TEXT_FIELDS["leads"]
USER_FIELDS = [
    field for field in settings.TEXT_FIELDS["users"] if field not in ("user_id", "email")
]


def leads_of_values(first_id: int = 0) -> list[Row]:
    """Return a lead of each value, which all its known fields have."""
    return [
        lead(first_id + n, **dict.fromkeys(LEAD_FIELDS, case.value))
        for n, case in enumerate(VALUES)
    ]


def users_of_values(first_id: int = 1000) -> list[Row]:
    """Return a user of each value, which all its known fields but the key have."""
    return [
        user(str(n), first_id + n, **dict.fromkeys(USER_FIELDS, case.value))
        for n, case in enumerate(VALUES)
    ]


# a user id or an e-mail, and the key it is in raw; None where the row is set aside
KEYS = [
    (None, None),
    ("", None),
    (" \t\u00a0\u2003", None),
    (True, None),
    (False, None),
    ([], None),
    (["u1"], None),
    ({"id": "u1"}, None),
    (DEEP, None),
    (math.nan, None),
    (math.inf, None),
    (0, "0"),
    (7, "7"),
    (8.0, "8"),
    (1.5e-7, "1.5e-07"),
    (2**63, "9223372036854775808"),
    (10**30, "1" + 30 * "0"),
    ("9" * 5000, "9" * 5000),
    ("null", "null"),
    ("Case@Example.com", "Case@Example.com"),
    ("case@example.com", "case@example.com"),
    (" trailing@example.com \r\n", "trailing@example.com"),
    ("composed \u00e9", "composed \u00e9"),
    ("composed e\u0301", "composed e\u0301"),
    ("nul \x00 1", "nul \x00 1"),
    ("nul \x00 2", "nul \x00 2"),
    ("half \ud83d", "half \\ud83d"),
    ("half \ud83e", "half \\ud83e"),
    ("\uf02612.50", "\uf02612.50"),
    ("12.50", "12.50"),
    ("👩\u200d👩\u200d👧", "👩\u200d👩\u200d👧"),
    (RIGHT_TO_LEFT, RIGHT_TO_LEFT),
    (ZALGO, ZALGO),
    ("\uffff", "\uffff"),
    ("\u200b", None),
    ("'; drop table raw.users; --", "'; drop table raw.users; --"),
    (LONG, LONG),
    (LONG + "y", LONG + "y"),
]
# a contact id, and the number it is in raw; None where it is no whole number of 64 bits
NUMBERS = [
    *((value, None) for value, key in KEYS if not isinstance(key, str) or not key.isdecimal()),
    (2**63, None),
    ("9" * 5000, None),
    (1e300, None),
    (0, 0),
    (7.0, 7),
    (" 8 ", 8),
    ("9.0", 9),
    (-1, -1),
    (2**63 - 1, 2**63 - 1),
]


def leads_of_keys() -> list[Row]:
    """Return a lead of each number."""
    return [lead(0, crmhero_user_id=value) for value, _ in NUMBERS]


def users_of_keys() -> list[Row]:
    """Return users of each key as user id, as e-mail, and of each number as contact id."""
    return [
        *({**user("", None, email="same@example.com"), "user_id": value} for value, _ in KEYS),
        *(user("same", None, email=value) for value, _ in KEYS),
        # one key in other spellings: the newest stays
        user("7", None, -1, email=" same@example.com", name="newest"),
        user(" 7 ", None, 1, email="same@example.com", name="older"),
        *(user(f"number {n}", None, crmhero_user_id=v) for n, (v, _) in enumerate(NUMBERS)),
    ]


# attributes, and what they are in raw
ATTRIBUTES: list[tuple[Any, Any]] = [
    (None, None),
    ([], []),
    ({}, {}),
    ("text", ["text"]),
    (7, [7]),
    (True, [True]),
    (math.nan, ["NaN"]),
    ([[1], {"role": "x"}], [[1], {"role": "x"}]),
    ({"Role": 1, "ROLE": 2, " role": 3}, {"Role": 1, "ROLE": 2, " role": 3}),
    ({"": 1, " ": 2, "\x00": 3, "role\x00": 4}, {"": 1, " ": 2, "\x00": 3, "role\x00": 4}),
    ({"a.b": 1, 'q"': 2, "é": 3, "e\u0301": 4}, {"a.b": 1, 'q"': 2, "é": 3, "e\u0301": 4}),
    (json.loads(r'{"\ud800": 1, "\ud801": 2}'), {"\\ud800": 1, "\\ud801": 2}),
    ({"x": [2**63 - 1, 1.5, 1e300, False, None]}, {"x": [2**63 - 1, 1.5, 1e300, False, None]}),
    ({"x": [10**30, math.inf, -math.inf]}, {"x": [str(10**30), "Infinity", "-Infinity"]}),
    ({"x": {"y": "\uf02612.50"}}, {"x": {"y": "\uf02612.50"}}),
    ({"x": ["\x00", "half \ud83d", ZALGO]}, {"x": ["\x00", "half \\ud83d", ZALGO]}),
    ({"x": LONG, LONG: "x"}, {"x": LONG, LONG: "x"}),
]
# 5000 keys, 50 of each lead
MANY_KEYS = [{f"key {50 * n + k}": k for k in range(50)} for n in range(100)]
SCALARS = [case for case in VALUES if not isinstance(case.value, dict | list)]


def leads_of_attributes(first_id: int = 0) -> list[Row]:
    """Return a lead of each value of `attributes`, and 100 later those of `MANY_KEYS`."""
    return [
        *(lead(first_id + n, attributes=value) for n, (value, _) in enumerate(ATTRIBUTES)),
        *(lead(first_id + 100 + n, attributes=value) for n, value in enumerate(MANY_KEYS)),
    ]


def users_of_attributes(first_id: int = 0) -> list[Row]:
    """Return a user of each scalar, which all fields that `attributes` may have, have there."""
    known = ("role", "sub_active", "create_date")
    return [
        *(
            user(f"scalar {n}", first_id + n, attributes=dict.fromkeys(known, case.value))
            for n, case in enumerate(SCALARS)
        ),
        user("nested", None, attributes={"role": {"a": [1, "\x00", math.nan, 2**64]}}),
        user("deep", None, attributes={"role": DEEP}),
    ]


# fields whose columns would be the same, or that have no letter that a column's name keeps
ALIKE = [
    "homePage",
    "home_page",
    "HOME-PAGE",
    "名前",
    "年齢",
    "é",
    "e\u0301",
    "\ud800",
    "!!!",
    "_",
    " ",
]
# names that the models use themselves
OURS = ["unreadable_value", "column_name", "changed_at", "recency", "select", "*"]
NEW_FIELDS = [*(f"new field {n}" for n in range(300)), *ALIKE, *OURS]


def leads_of_fields(first_id: int = 0) -> list[Row]:
    """Return leads with all new fields, and without one of those alike, in either order.

    Each field's value is `<field> of <contact id>`.
    """
    rows: list[Row] = []
    for order in (NEW_FIELDS, NEW_FIELDS[::-1]):
        for missing in (None, *ALIKE):
            number = first_id + len(rows)
            new = {field: f"{field} of {number}" for field in order if field != missing}
            rows.append({**lead(number, first_seen_at="?", latitude="?"), **new})
    return rows
