"""Rows of one page: which get a key, a cursor and columns, and which are rejected."""

import json
import math
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from extract.customer import CustomerProject
from extract.rows import Page, RowPreparer
from tests.support.unexpected import DEEP

STARTED_AT = datetime(2026, 6, 1, 12, tzinfo=UTC)


def preparation(name: str, columns: dict[str, str] | None = None) -> RowPreparer:
    stored = {} if columns is None else columns
    return RowPreparer(name, STARTED_AT, CustomerProject(), lambda: stored)


def prepare(name: str, **fields: Any) -> dict[str, Any]:
    """Return the row of the raw table."""
    return only_row(preparation(name).prepare([fields]))


def only_row(page: Page) -> dict[str, Any]:
    if page.rejected:
        raise ValueError(page.rejected[0]["reason"])
    return {column: value for column, (value,) in page.columns.items()}


@pytest.mark.parametrize(
    ("value", "number"),
    [(417, 417), ("417", 417), (417.0, 417), ("417.0", 417), (" 417 ", 417), (-3, -3)],
)
def test_a_contact_id_is_a_number_in_every_spelling(value: object, number: int) -> None:
    stored = prepare("leads", crmhero_user_id=value)["crmhero_user_id"]
    assert (stored, type(stored)) == (number, int)


@pytest.mark.parametrize(
    "value", [None, "", " ", "4_17", "٤١٧", "abc", 1.5, "1e3", True, False, 2**63, -(2**63), [1]]
)
def test_a_lead_without_a_usable_contact_id_is_rejected(value: object) -> None:
    with pytest.raises(ValueError, match="crmhero_user_id is"):
        prepare("leads", crmhero_user_id=value)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "crmhero_user_id is missing or blank"),
        (" ", "crmhero_user_id is missing or blank"),
        ("abc", "crmhero_user_id is not a whole number"),
        ([1], "crmhero_user_id is neither a text nor a number"),
    ],
)
def test_a_rejected_row_has_its_reason(value: object, reason: str) -> None:
    (rejected,) = preparation("leads").prepare([{"crmhero_user_id": value}]).rejected
    assert (rejected["resource"], rejected["reason"]) == ("leads", reason)


@pytest.mark.parametrize("name", ["leads", "users"])
@pytest.mark.parametrize("row", [None, "a string", 7, [], [{"crmhero_user_id": 1}]])
def test_what_is_no_object_is_rejected(name: str, row: object) -> None:
    page = preparation(name).prepare([row])
    assert page.keys == []
    assert [rejected["reason"] for rejected in page.rejected] == ["is not an object"]


def test_a_row_without_the_field_of_its_key_is_rejected() -> None:
    page = preparation("leads").prepare([{"email": "a@example.com"}])
    assert [rejected["reason"] for rejected in page.rejected] == [
        "crmhero_user_id is missing or blank"
    ]


def test_a_rejected_row_is_shown_as_json_whatever_it_is() -> None:
    rows: list[Any] = [
        {},
        [],
        None,
        "text",
        7,
        {"email": "\ud800", "attributes": {"x": [math.nan]}},
    ]
    shown = [rejected["row_json"] for rejected in preparation("leads").prepare(rows).rejected]
    assert shown == [
        "{}",
        "[]",
        "[null]",
        '["text"]',
        "[7]",
        '{"email":"\\\\ud800","attributes":{"x":["NaN"]}}',
    ]


def test_rejected_rows_have_one_hash_where_they_are_the_same() -> None:
    """Whatever the order of their fields, and on whichever page they are."""
    preparing = preparation("leads")
    first = preparing.prepare([{"a": 1, "b": 2}, {"a": 1, "b": 3}]).rejected
    second = preparing.prepare([{"b": 2, "a": 1}]).rejected
    assert first[0]["row_hash"] == second[0]["row_hash"] != first[1]["row_hash"]


@pytest.mark.parametrize(
    ("value", "key"),
    [
        *(("u1", "u1"), (" u1 ", "u1"), (42, "42"), (42.0, "42"), (1.5, "1.5")),
        *(("é", "é"), (" é ", "é"), ("half \ud800", "half \\ud800")),
    ],
)
@pytest.mark.parametrize("field", ["user_id", "email"])
def test_the_key_of_a_user_is_text_in_every_spelling(field: str, value: object, key: str) -> None:
    row = {"user_id": "u1", "email": "a@example.com", field: value}
    assert prepare("users", **row)[field] == key


@pytest.mark.parametrize("value", [None, "", "\t\n", True, [], {}, ["u1"], math.nan, math.inf])
@pytest.mark.parametrize("field", ["user_id", "email"])
def test_a_user_without_a_usable_key_is_rejected(field: str, value: object) -> None:
    row = {"user_id": "u1", "email": "a@example.com", field: value}
    with pytest.raises(ValueError, match=f"{field} is"):
        prepare("users", **row)


INVALID_IDS = [
    *("abc", "12_3", "1e3", "0x1F", "+7", "٤١٧", 1.5, 1e30, 2**63, "9" * 25, [1], {"a": 1}, True),
    *("9" * 5000, "-" + "9" * 5000, "9" * 1_000_000),  # Python refuses to read such numbers
]


@pytest.mark.parametrize("invalid", INVALID_IDS, ids=lambda value: repr(value)[:20])
def test_a_user_with_an_invalid_contact_id_keeps_it_in_a_column_of_its_own(invalid: Any) -> None:
    ready = prepare("users", user_id="u1", email="a@example.com", crmhero_user_id=invalid)
    assert ready["crmhero_user_id"] is None
    text = invalid if isinstance(invalid, str) else json.dumps(invalid)
    assert ready["other_crmhero_user_id"] == text


@pytest.mark.parametrize("blank", [None, "", " "])
def test_a_user_without_a_contact_id_is_no_invalid_one(blank: object) -> None:
    ready = prepare("users", user_id="u1", email="a@example.com", crmhero_user_id=blank)
    assert ready["crmhero_user_id"] is None
    assert ready.get("other_crmhero_user_id") is None


def test_an_invalid_contact_id_takes_no_other_fields_column() -> None:
    fields = {"crmheroUserId": 9, "user_id": "u1", "email": "a@example.com"}
    ready = prepare("users", **fields, crmhero_user_id="abc")
    assert ready["other_crmhero_user_id"] == "abc"
    assert "9" in ready.values()


INEXACT = [9007199254740992.0, 9007199254740996.0, -9007199254740992.0, 1e16, 9.2e18]


@pytest.mark.parametrize("number", INEXACT)
def test_a_lead_with_a_contact_id_that_is_not_exact_is_rejected(number: float) -> None:
    """9007199254740995.0 is the same JSON number as 9007199254740996.0, which is another lead."""
    rows = [{"crmhero_user_id": number}, {"crmhero_user_id": 9007199254740996}]
    page = preparation("leads").prepare(rows)
    assert page.keys == [(9007199254740996,)]
    assert [rejected["reason"] for rejected in page.rejected] == [
        "crmhero_user_id is a decimal number of 2^53 or more, which is not exact"
    ]


@pytest.mark.parametrize("number", INEXACT)
def test_a_user_with_a_contact_id_that_is_not_exact_keeps_it_as_text(number: float) -> None:
    ready = prepare("users", user_id="u1", email="a@example.com", crmhero_user_id=number)
    assert ready["crmhero_user_id"] is None
    assert ready["other_crmhero_user_id"] == repr(number)


@pytest.mark.parametrize("number", INEXACT)
@pytest.mark.parametrize("field", ["user_id", "email"])
def test_a_user_with_a_key_that_is_not_exact_is_rejected(field: str, number: float) -> None:
    row = {"user_id": "u1", "email": "a@example.com", field: number}
    with pytest.raises(ValueError, match=f"{field} is a decimal number of 2"):
        prepare("users", **row)


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (9007199254740991.0, 9007199254740991),
        ("9007199254740995.0", 9007199254740995),
        ("9223372036854775807.00", 2**63 - 1),
        (9007199254740995, 9007199254740995),
        (json.loads("1e3"), 1000),
        (json.loads("4.17E2"), 417),
        (-9007199254740991.0, -9007199254740991),
    ],
)
def test_a_contact_id_that_is_exact_is_a_number(value: object, number: int) -> None:
    assert prepare("leads", crmhero_user_id=value)["crmhero_user_id"] == number


def test_a_field_with_the_name_of_that_column_keeps_its_values() -> None:
    page = preparation("users").prepare(
        [
            {"user_id": "a", "email": "a", "crmhero_user_id": "x", "other_crmhero_user_id": "kept"},
            {"user_id": "b", "email": "b", "crmhero_user_id": 3, "other_crmhero_user_id": "too"},
        ]
    )
    assert list(page.columns["other_crmhero_user_id"]) == ["x", None]
    assert list(page.columns["other_other_crmhero_user_id"]) == ["kept", "too"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (45.07, "45.07"),
        ("7.69", "7.69"),
        (None, None),
        (12345678901234567890123, "12345678901234567890123"),
        (1e22, "1e+22"),
        (True, "true"),
        ({"a": [1]}, '{"a": [1]}'),
        (["é"], '["é"]'),
        (math.nan, "NaN"),
        (DEEP, json.dumps(DEEP)),
    ],
    ids=lambda value: repr(value)[:20],
)
def test_a_text_column_takes_any_value(value: object, text: str | None) -> None:
    """Alone on its page, and beside a text and a number."""
    assert prepare("leads", crmhero_user_id=1, latitude=value)["latitude"] == text
    rows: list[dict[str, Any]] = [
        {"crmhero_user_id": n, "latitude": latitude} for n, latitude in enumerate([value, "x", 7])
    ]
    assert list(preparation("leads").prepare(rows).columns["latitude"]) == [text, "x", "7"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"a": {"b": [1]}}, '{"a":{"b":[1]}}'),
        ([], "[]"),
        (None, None),
        ("text", '["text"]'),
        (7, "[7]"),
        ([1, {"c": 2}], '[1,{"c":2}]'),
        ({"big": 2**64}, '{"big":"18446744073709551616"}'),
        ({"a": math.nan, "b": [-math.inf]}, '{"a":"NaN","b":["-Infinity"]}'),
        ({"half": "\ud800"}, '{"half":"\\\\ud800"}'),
    ],
    ids=lambda value: repr(value)[:20],
)
def test_attributes_are_one_json_value_whatever_they_are(value: object, text: str | None) -> None:
    assert prepare("leads", crmhero_user_id=1, attributes=value)["attributes"] == text


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        ('{"role": "admin"}', '{"role":"admin"}'),
        (' {"a": {"b": [1]}}\n', '{"a":{"b":[1]}}'),
        ('"{\\"role\\": \\"admin\\"}"', '{"role":"admin"}'),
        ('{"big": 18446744073709551616}', '{"big":"18446744073709551616"}'),
        ('{"tab": "a\tb"}', '{"tab":"a\\tb"}'),
        ('{"half": "\\ud800"}', '{"half":"\\\\ud800"}'),
        ("{}", "{}"),
        ("", None),
        (" \t", None),
        *((text, json.dumps([text])) for text in ("[1]", "7", "null", "x", '"x"', "{'a': 1}", "{")),
        ('"\\"{}\\""', json.dumps(['"\\"{}\\""'])),
    ],
)
def test_attributes_that_come_as_json_text_are_read_as_the_object(
    text: str, stored: str | None
) -> None:
    """Also as a text within a text; what is not an object stays a text, and blank is null."""
    ready = prepare("leads", crmhero_user_id=1, attributes=text)["attributes"]
    if stored is None:
        assert ready is None
    else:
        assert json.loads(ready) == json.loads(stored)


def test_attributes_that_are_nested_deeper_than_json_can_be_stay_a_text() -> None:
    text = '{"a":' * 5000 + "1" + "}" * 5000
    assert json.loads(prepare("leads", crmhero_user_id=1, attributes=text)["attributes"]) == [text]


def test_a_lead_without_attributes_has_none() -> None:
    assert prepare("leads", crmhero_user_id=1)["attributes"] is None


def test_halves_of_different_characters_stay_different() -> None:
    ready = prepare(
        "leads", crmhero_user_id=1, attributes=json.loads(r'{"\ud800": 1, "\ud801": 2}')
    )
    assert json.loads(ready["attributes"]) == {"\\ud800": 1, "\\ud801": 2}


def test_json_as_deep_as_python_reads_is_prepared() -> None:
    """Python's stack is what limits it; a response is read with less of it left than a row has."""
    nested: Any = None
    for levels in range(100, 5000, 10):
        try:
            json.loads('{"a":' * (levels + 50) + "1" + "}" * (levels + 50))
        except RecursionError:
            break
        nested = json.loads('{"a":' * levels + "1" + "}" * levels)
    ready = prepare("leads", crmhero_user_id=1, os=nested, attributes=nested)
    assert ready["os"].count("a") == str(ready["attributes"]).count("a") > 500


def test_fields_whose_columns_would_be_the_same_keep_their_own_in_all_rows() -> None:
    page = preparation("leads")
    fields = ["homePage", "home_page", "名前", "年齢", "é", "e\u0301", "!!!", "???", "_", "", " "]
    first = only_row(page.prepare([{"crmhero_user_id": 1, **{field: field for field in fields}}]))
    column = {text: name for name, text in first.items() if text in fields}
    assert len(column) == len(fields)
    for field in reversed(fields):
        row = only_row(page.prepare([{"crmhero_user_id": 1, field: field}]))
        assert row[column[field]] == field
    # letters beyond ASCII have a column of their own whichever comes first
    assert column["年齢"] in prepare("leads", crmhero_user_id=1, 年齢=1)


def test_an_unknown_field_never_takes_the_column_of_a_declared_one() -> None:
    user = {"userId": 1001, "Email": "shared@example.com", "user_id": "u1", "email": "own"}
    ready = prepare("users", **user)
    assert (ready["user_id"], ready["email"]) == ("u1", "own")
    assert (ready["other_user_id"], ready["other_email"]) == ("1001", "shared@example.com")
    assert prepare("leads", crmheroUserId=9, crmhero_user_id=1)["crmhero_user_id"] == 1


def test_no_unknown_field_is_lost_to_another() -> None:
    fields = {"Email": "b", "other_email": "c", "Plan": "gold", "plan": "free", "_version": "d"}
    ready = prepare("leads", crmhero_user_id=1, email="a", **fields)
    assert {"a", "b", "c", "gold", "free", "d"} <= set(ready.values())
    assert ready["email"] == "a"


@pytest.mark.parametrize("name", ["_dlt_parent_id", "_dlt_id", "_dlt_load_id", "_cursor"])
def test_no_field_takes_a_column_that_begins_like_those_of_the_pipeline(name: str) -> None:
    ready = prepare("leads", crmhero_user_id=1, **{name: "theirs"})
    (column,) = (column for column, value in ready.items() if value == "theirs")
    assert not column.startswith("_")


def test_each_row_has_an_id_of_its_own() -> None:
    page = preparation("leads").prepare([{"crmhero_user_id": n} for n in range(50)])
    assert len(set(page.columns["_dlt_id"])) == 50


@pytest.mark.parametrize(
    "last_update",
    [
        "2026-06-01 11:00:00",
        "2026-06-01T11:00:00Z",
        "2026-06-01T13:00:00+02:00",
        "2026-06-01 11:00",
        "1780311600",
        1780311600,
    ],
)
def test_the_cursor_is_last_update_in_utc_in_every_spelling(last_update: object) -> None:
    ready = prepare("leads", crmhero_user_id=1, last_update=last_update)
    assert ready["_cursor"] == datetime(2026, 6, 1, 11, tzinfo=UTC).timestamp()
    assert ready["last_update"] == str(last_update)


@pytest.mark.parametrize(
    "last_update",
    [None, "", "yesterday", "0000-00-00 00:00:00", 17, ["2026"], True, "2026-06-01 12:05:01"],
)
def test_a_row_whose_last_update_is_invalid_or_in_the_future_has_no_cursor(
    last_update: object,
) -> None:
    assert prepare("leads", crmhero_user_id=1, last_update=last_update)["_cursor"] is None


def test_a_clock_up_to_5_minutes_ahead_counts_as_the_start_of_the_sync() -> None:
    ready = prepare("leads", crmhero_user_id=1, last_update="2026-06-01 12:05:00")
    assert ready["_cursor"] == STARTED_AT.timestamp()


def names_by_version(rows: Sequence[dict[str, Any]]) -> list[Any]:
    """Prepare rows, each on a page of its own, and return their names, the newest first."""
    preparing = preparation("leads")
    ready = [only_row(preparing.prepare([{"crmhero_user_id": 1, **row}])) for row in rows]
    return [row["name"] for row in sorted(ready, key=lambda row: str(row["_version"]))][::-1]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"last_update": "2026-06-01 11:59:00"}, {"last_update": "2026-06-01 11:51:00"}),
        ({"last_update": "2026-06-01 11:59:00"}, {"last_update": "1780310000"}),
        ({"last_update": "2026-06-01T10:00:00-02:00"}, {"last_update": "2026-06-01 11:59:59"}),
        ({"last_update": "2026-06-01 12:00:00.5"}, {"last_update": "2026-06-01 12:00:00"}),
    ],
)
def test_the_version_orders_copies_of_a_row_by_last_update(
    first: dict[str, Any], second: dict[str, Any]
) -> None:
    newer, older = {**first, "name": "newer"}, {**second, "name": "older"}
    assert names_by_version([newer, older]) == ["newer", "older"]
    assert names_by_version([older, newer]) == ["newer", "older"]


def test_of_copies_with_one_last_update_or_without_the_later_read_is_newer() -> None:
    copies = [{"name": f"copy {n}", "last_update": "2026-06-01 11:00:00"} for n in range(12)]
    assert names_by_version(copies) == [f"copy {n}" for n in reversed(range(12))]
    undated = {"name": "undated", "last_update": None}
    for last_update in ("2026-06-01 11:00:00", "2026-06-01 12:04:00"):
        dated = {"name": "dated", "last_update": last_update}
        assert names_by_version([dated, undated]) == ["undated", "dated"]


def test_a_field_keeps_the_column_that_it_had_in_earlier_syncs() -> None:
    stored: dict[str, str] = {}
    row = {"crmhero_user_id": 1, "Plan": "gold", "plan": "basic", "Größe": 1, "half \ud800": 2}
    first = preparation("leads", stored).prepare([row])
    again = preparation("leads", stored).prepare([dict(reversed(row.items()))])
    for name, values in first.columns.items():
        if name[0] != "_":
            assert list(again.columns[name]) == list(values)
    assert [*first.columns["plan"], *first.columns["other_plan"]] == ["gold", "basic"]
    json.dumps(stored).encode()
