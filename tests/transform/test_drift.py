"""Whole runs on lists that drift: what comes is in raw and in the marts, or a test says where not.

Each test loads ordinary rows first, so that what comes then meets tables and models that exist.
"""

import json
import math
from typing import Any, NamedTuple

from extract import settings
from extract.sandbox.server import ApiServer, ListRequest, Reply
from tests.builders import Lists, Row, lead, listing, user
from tests.conftest import Elt, Query

FLAGS = ("is_user", "was_lead", "unsubscribe", "bounce", "spam", "sub_active")
PLACE = ("latitude", "longitude")
LONG = "x" * 1_000_000
RIGHT_TO_LEFT = "\u202e\u05e2\u05d1\u05e8\u200f"
ZALGO = "e\u0301" + "\u0301" * 100
DEEP: Any = "bottom"
for _ in range(300):
    DEEP = {"deeper": DEEP}


class Odd(NamedTuple):
    """A value, its text in raw, and what marts show: the text, in a field of numbers or of flags.

    None of them is a date.
    """

    value: Any
    raw: str | None
    text: str | None
    number: float | None = None
    flag: bool | None = None


def same(value: Any, text: str) -> Odd:
    return Odd(value, text, text)


ODD = [
    Odd(None, None, None),
    Odd("", "", None),
    Odd(" \t\r\n", " \t\r\n", None),
    Odd(True, "true", "true", flag=True),
    Odd(False, "false", "false", flag=False),
    Odd(7, "7", "7", number=7),
    Odd(1.5e-7, "1.5e-07", "1.5e-07", number=1.5e-7),
    same(1e300, "1e+300"),
    same(2**63, "9223372036854775808"),
    same(-(2**63) - 1, "-9223372036854775809"),
    same(10**30, "1" + 30 * "0"),
    same("9" * 5000, "9" * 5000),
    same(math.nan, "NaN"),
    same(math.inf, "Infinity"),
    same(-math.inf, "-Infinity"),
    same([], "[]"),
    same([1, "é", None, math.nan], '[1, "é", null, NaN]'),
    same({"a": {"b": "\x00"}, "": 2**64}, '{"a": {"b": "\\u0000"}, "": 18446744073709551616}'),
    same(DEEP, json.dumps(DEEP)),
    same("nul \x00 nul", "nul \x00 nul"),
    same("half \ud83d of \udc69", "half \\ud83d of \\udc69"),
    same("👩\u200d👩\u200d👧 🇮🇹", "👩\u200d👩\u200d👧 🇮🇹"),
    same(RIGHT_TO_LEFT, RIGHT_TO_LEFT),
    same(ZALGO, ZALGO),
    same("\u00a0\u2003\ufeff", "\u00a0\u2003\ufeff"),
    same("\uffff\ufdd0\U0010ffff", "\uffff\ufdd0\U0010ffff"),
    same("'; drop table raw.leads; --", "'; drop table raw.leads; --"),
    same(LONG, LONG),
    # dlt marks a decimal and a date so in its own files
    same("\uf02612.50", "\uf02612.50"),
    same("\uf0272026-01-01", "\uf0272026-01-01"),
    same("\uf02btext", "\uf02btext"),
]


def columns(query: Query, table: str) -> list[dict[str, Any]]:
    """Return the rows of a table by column."""
    schema, name = table.split(".")
    names = query(
        "select column_name from information_schema.columns where table_schema = "
        f"'{schema}' and table_name = '{name}' order by ordinal_position"
    )
    return [
        dict(zip([name for (name,) in names], row, strict=True)) for row in query(f"from {table}")
    ]


def pairs(query: Query, sql: str) -> dict[Any, Any]:
    return dict(query(sql))


def first_run(lists: Lists, elt: Elt) -> None:
    lists["leads"].append(lead(900, 90))
    lists["users"].append(user("ordinary", 901, 90))
    assert elt("run").exit_code == 0


def expected(data_type: str, odd: Odd) -> Any:
    """Return what a mart shows of an odd value in a column of a type."""
    if data_type == "DOUBLE":
        return odd.number
    if data_type == "BOOLEAN":
        return odd.flag
    return odd.text if data_type == "VARCHAR" else None


def test_every_known_field_takes_every_kind_of_value(
    lists: Lists, api: ApiServer, elt: Elt, query: Query
) -> None:
    first_run(lists, elt)
    lead_fields = settings.TEXT_FIELDS["leads"]
    user_fields = [f for f in settings.TEXT_FIELDS["users"] if f not in ("user_id", "email")]
    lists["leads"] = [lead(n, **dict.fromkeys(lead_fields, odd.value)) for n, odd in enumerate(ODD)]
    lists["users"] = [
        user(str(n), 1000 + n, **dict.fromkeys(user_fields, odd.value)) for n, odd in enumerate(ODD)
    ]
    outcome = elt("run", "--allow-shrink")
    assert outcome.exit_code == 0, outcome.stdout + outcome.stderr

    for name, fields, key in (
        ("leads", lead_fields, "crmhero_user_id"),
        ("users", user_fields, "user_id"),
    ):
        rows = {str(row[key]): row for row in columns(query, f"raw.{name}")}
        for n, odd in enumerate(ODD):
            wrong = [field for field in fields if rows[str(n)][field] != odd.raw]
            assert not wrong, (name, n, wrong)

    ours = {
        *("contact_id", "user_id", "contact_stage", "is_user", "is_converted", "loaded_at"),
        *("is_reachable", "is_active", "has_signup_date", "nps_category", "nps_voted_at"),
        *("first_contact_at", "signed_up_at", "converted_at", "waiting_days", "days_to_convert"),
    }
    for mart, first_id in (("dim_contacts", 0), ("dim_leads", 0), ("dim_users", 1000)):
        types = pairs(
            query,
            "select column_name, data_type from information_schema.columns "
            f"where table_schema = 'marts' and table_name = '{mart}'",
        )
        rows = {row["contact_id"]: row for row in columns(query, f"marts.{mart}")}
        checked = [c for c in types if c not in ours and (c != "email" or mart != "dim_users")]
        assert len(checked) > 10
        for n, odd in enumerate(ODD):
            row = rows[str(first_id + n)]
            wrong = [c for c in checked if row[c] != expected(types[c], odd)]
            assert not wrong, (mart, n, wrong)

    unreadable = [odd for odd in ODD if odd.text is not None]
    no_flags = sum(odd.flag is None for odd in unreadable)
    no_numbers = sum(odd.number is None for odd in unreadable)
    for name, numbers in (("leads", PLACE), ("users", (*PLACE, "nps_vote"))):
        test = f"flags_and_numbers_of_{name}_are_readable"
        assert f"warning: {test}" in outcome.stdout
        warned = pairs(query, f"select column_name, count(*) from audit.{test} group by all")
        assert warned == dict.fromkeys(FLAGS, no_flags) | dict.fromkeys(numbers, no_numbers)


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
    ("\u200b", "\u200b"),
    ("'; drop table raw.users; --", "'; drop table raw.users; --"),
    (LONG, LONG),
    (LONG + "y", LONG + "y"),
]
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


def test_every_kind_of_key_is_taken_or_set_aside_with_its_reason(
    lists: Lists, api: ApiServer, elt: Elt, query: Query
) -> None:
    first_run(lists, elt)
    lists["leads"] = [lead(0, crmhero_user_id=value) for value, _ in NUMBERS]
    lists["users"] = [
        *({**user("", None, email="same@example.com"), "user_id": value} for value, _ in KEYS),
        *(user("same", None, email=value) for value, _ in KEYS),
        # one key in other spellings: the newest stays
        user("7", None, -1, email=" same@example.com", name="newest"),
        user(" 7 ", None, 1, email="same@example.com", name="older"),
        *(user(f"odd number {n}", None, crmhero_user_id=v) for n, (v, _) in enumerate(NUMBERS)),
    ]
    outcome = elt("run", "--allow-shrink")
    assert outcome.exit_code == 0, outcome.stdout + outcome.stderr

    taken = sorted(key for _, key in KEYS if key is not None)
    found = query("select user_id from raw.users where email = 'same@example.com' order by 1")
    assert sorted(key for (key,) in found) == taken
    assert query("select name from raw.users where user_id = '7'") == [("newest",)]
    found = query("select email from raw.users where user_id = 'same'")
    assert sorted(key for (key,) in found) == taken
    numbers = sorted(number for _, number in NUMBERS if number is not None)
    found = query("select crmhero_user_id from raw.leads where crmhero_user_id <> 900 order by 1")
    assert [number for (number,) in found] == numbers

    # a user has another key: it is taken, and its odd contact id is beside it
    rows = {row["user_id"]: row for row in columns(query, "raw.users")}
    for n, (value, number) in enumerate(NUMBERS):
        row = rows[f"odd number {n}"]
        assert row["crmhero_user_id"] == number
        nothing = number is not None or not value or not str(value).strip()
        assert (row["other_crmhero_user_id"] is None) == nothing, value

    by_reason = "select resource, reason, count(*) from raw.rejected_rows group by all order by all"
    assert query(by_reason) == [
        ("leads", "crmhero_user_id is missing or blank", 3),
        ("leads", "crmhero_user_id is neither a text nor a number", 8),
        ("leads", "crmhero_user_id is not a whole number", len(NUMBERS) - len(numbers) - 11),
        ("users", "email is missing or blank", 3),
        ("users", "email is neither a text nor a number", 8),
        ("users", "user_id is missing or blank", 3),
        ("users", "user_id is neither a text nor a number", 8),
    ]
    shown = query("select user_id from marts.dim_users where email = 'same@example.com'")
    assert sorted(key for (key,) in shown) == taken
    assert query("select count(*) from marts.dim_users where user_id = 'same'") == [(1,)]


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


def test_attributes_of_every_kind_stay_one_value(
    lists: Lists, api: ApiServer, elt: Elt, query: Query
) -> None:
    first_run(lists, elt)
    many = [{f"key {50 * n + k}": k for k in range(50)} for n in range(100)]
    lists["leads"] = [
        *(lead(n, attributes=value) for n, (value, _) in enumerate(ATTRIBUTES)),
        *(lead(100 + n, attributes=value) for n, value in enumerate(many)),
    ]
    known = ("role", "sub_active", "create_date")
    single = [odd for odd in ODD if not isinstance(odd.value, dict | list)]
    twice = "two values of one key"
    users = [
        *(user(str(n), n, attributes=dict.fromkeys(known, o.value)) for n, o in enumerate(single)),
        user("nested", 2000, attributes={"role": {"a": [1, "\x00", math.nan, 2**64]}}),
        user("deep", 2001, attributes={"role": DEEP}),
        user("twice", 2002, attributes=twice),
    ]

    def with_a_key_twice(request: ListRequest) -> Reply | None:
        if request.name != "users" or request.page:
            return None
        page = json.dumps({"data": {"users": users}})
        return Reply(200, page.replace(f'"{twice}"', '{"role": 1, "role": 2}').encode())

    api.fault = with_a_key_twice
    outcome = elt("run", "--allow-shrink")
    assert outcome.exit_code == 0, outcome.stdout + outcome.stderr

    rows = pairs(query, "select crmhero_user_id, attributes from raw.leads")
    for n, (_, attributes) in enumerate(ATTRIBUTES):
        assert json.loads(rows[n] or "null") == attributes
    for n, attributes in enumerate(many):
        assert json.loads(rows[100 + n]) == attributes

    users_by_id = {row["user_id"]: row for row in columns(query, "marts.dim_users")}
    for n, odd in enumerate(single):
        row = users_by_id[str(n)]
        assert row["role"] == odd.text or float(row["role"]) == odd.value
        assert (row["created_at"], row["is_subscription_active"]) == (None, odd.flag)
    nested = '{"a":[1,"\\u0000","NaN","18446744073709551616"]}'
    assert users_by_id["nested"]["role"] == nested
    assert users_by_id["twice"]["role"] == "2"
    # what is nested deeper than dlt can write is text from there on
    deep = users_by_id["deep"]["role"]
    assert (deep.count("deeper"), deep.count("bottom")) == (300, 1)


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
OURS = [
    "unreadable_value",
    "column_name",
    "changed_at",
    "recency",
    "select",
    "*",
]


def test_fields_come_and_go(lists: Lists, api: ApiServer, elt: Elt, query: Query) -> None:
    lists["leads"] = [lead(800, 91, name="had a name", latitude=1, attributes={"role": "x"})]
    lists["users"] = [user("bare", 801, 92, name="had a name")]
    first_run(lists, elt)
    fields = [*(f"new field {n}" for n in range(300)), *ALIKE, *OURS]
    new_leads: list[Row] = []
    for order in (fields, fields[::-1]):
        for missing in (None, *ALIKE):
            n = len(new_leads)
            new = {field: f"{field} of {n}" for field in order if field != missing}
            new_leads.append({**lead(n, first_seen_at="?", latitude="?"), **new})
    # without anything that is not the key
    gone = {"crmhero_user_id": 800}
    lists["users"] = [{"user_id": "bare", "email": "bare@example.com"}]
    no_rows = ["text", 7, None, True, [], ["list"], math.nan, "half \ud83d", DEEP, [DEEP], {}]
    api.fault = listing([[*new_leads, gone, *no_rows]])
    outcome = elt("run")
    assert outcome.exit_code == 0, outcome.stdout + outcome.stderr

    rows = {row["crmhero_user_id"]: row for row in columns(query, "raw.leads")}
    fields_by_column: dict[str, set[str]] = {}
    for n, asked in enumerate(new_leads):
        texts = {c: t for c, t in rows[n].items() if isinstance(t, str) and t.endswith(f" of {n}")}
        assert len(texts) == sum(field in asked for field in fields)
        for column, text in texts.items():
            fields_by_column.setdefault(column, set()).add(text.removesuffix(f" of {n}"))
    # a field stays in its column in all rows, alone
    assert len(fields_by_column) == len(fields)
    assert {len(found) for found in fields_by_column.values()} == {1}
    assert fields_by_column["new_field_299"] == {"new field 299"}

    declared = set(settings.list_columns("leads"))
    filled = {"crmhero_user_id", "_version", "_dlt_id"}
    assert {c for c in declared if rows[800][c] is not None} == filled
    shown = "select email, full_name, latitude from marts.dim_contacts where contact_id = '800'"
    assert query(shown) == [(None, None, None)]
    assert query("select contact_id, full_name from marts.dim_users where user_id = 'bare'") == [
        ("user:bare", None)
    ]

    reasons = pairs(query, "select reason, count(*) from raw.rejected_rows group by all")
    assert reasons == {
        "is not an object": len(no_rows) - 2,
        "crmhero_user_id is missing or blank": 2,
    }
    kept = {row for (row,) in query("select row_json from raw.rejected_rows")}
    deep = {row for row in kept if "deeper" in row}
    assert {row.count("deeper") for row in deep} == {300}
    assert kept - deep == {
        *("{}", "[]", "[7]", "[null]", "[true]"),
        *('["text"]', '["list"]', '["NaN"]', '["half \\\\ud83d"]'),
    }
    for test in (
        "dates_of_leads_are_readable",
        "flags_and_numbers_of_leads_are_readable",
    ):
        assert f"warning: {test}" in outcome.stdout
        assert query(f"select count(*) from audit.{test}") == [(len(new_leads),)]


def test_flags_and_numbers_that_cannot_be_read_warn_and_no_others(
    lists: Lists, api: ApiServer, elt: Elt, query: Query
) -> None:
    yes_or_no = ["1", "1.0", "true", "t", "yes", "y", "0", "0.0", "false", "f", "no", "n"]
    readable = [
        None,
        "",
        " \n",
        0,
        1,
        1.0,
        True,
        False,
        *yes_or_no,
        *map(str.upper, yes_or_no),
        " Y ",
    ]
    numbers: list[Row] = [
        {"latitude": 90, "longitude": 180, "nps_vote": 10},
        {"latitude": "-90", "longitude": " -180.0 ", "nps_vote": "0"},
        {"latitude": "4.507e1", "longitude": None, "nps_vote": ""},
    ]
    lists["users"] = [
        *(user(f"flag {n}", n, **dict.fromkeys(FLAGS, v)) for n, v in enumerate(readable)),
        *(user(f"own {n}", None, attributes={"sub_active": v}) for n, v in enumerate(readable)),
        *(user(f"number {n}", None, **fields) for n, fields in enumerate(numbers)),
        # only the subscription's flag is looked for in the attributes, too
        user("own", None, attributes={"bounce": "high", "latitude": "north"}),
    ]
    outcome = elt("run")
    assert "0 warned, 0 failed" in outcome.stdout
    bad: Row = {"latitude": 90.1, "longitude": "180,5", "nps_vote": 11, "spam": "2", "bounce": "on"}
    lists["users"].append(user("bad", None, **bad, attributes={"sub_active": "maybe"}))
    outcome = elt("run")
    assert outcome.exit_code == 0
    assert "1 warned, 0 failed" in outcome.stdout
    assert "flags_and_numbers_of_users_are_readable" in outcome.stdout
    assert query(
        "select email, column_name, unreadable_value "
        "from audit.flags_and_numbers_of_users_are_readable order by column_name"
    ) == [
        ("bad@example.com", "bounce", "on"),
        ("bad@example.com", "latitude", "90.1"),
        ("bad@example.com", "longitude", "180,5"),
        ("bad@example.com", "nps_vote", "11"),
        ("bad@example.com", "spam", "2"),
        ("bad@example.com", "sub_active", "maybe"),
    ]
