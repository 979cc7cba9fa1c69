"""Rows out of one page: what an API might send that nobody thought of."""

import json
import math
from datetime import UTC, datetime
from typing import Any

import pytest

from extract.client import ListPaginator
from extract.rows import ListCounts, Page, PreparePage
from extract.sandbox.server import ApiServer, Reply
from tests.builders import Lists, lead, listing, user
from tests.conftest import Elt, Query

pytestmark = pytest.mark.usefixtures("without_models")
DEEP: Any = {}
for _ in range(300):
    DEEP = {"deeper": [DEEP]}
STARTED_AT = datetime(2026, 6, 1, 12, tzinfo=UTC)


def preparation(name: str) -> PreparePage:
    paginator = ListPaginator(first_page=0, page_size=50, end_of_list="empty")
    return PreparePage(name, ListCounts(), STARTED_AT, paginator, lambda: 0)


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
    assert prepare("leads", crmhero_user_id=value)["crmhero_user_id"] == number


@pytest.mark.parametrize(
    "value", [None, "", " ", "4_17", "٤١٧", "abc", 1.5, "1e3", True, False, 2**63, -(2**63), [1]]
)
def test_a_lead_without_a_usable_contact_id_is_rejected(value: object) -> None:
    with pytest.raises(ValueError, match="crmhero_user_id is"):
        prepare("leads", crmhero_user_id=value)


@pytest.mark.parametrize(("value", "key"), [("u1", "u1"), (" u1 ", "u1"), (42, "42"), (42.0, "42")])
def test_a_user_id_is_text_in_every_spelling(value: object, key: str) -> None:
    assert prepare("users", user_id=value, email="a@example.com")["user_id"] == key


@pytest.mark.parametrize("value", [None, "", "\t\n", True, [], {}, ["u1"], math.nan, math.inf])
@pytest.mark.parametrize("field", ["user_id", "email"])
def test_a_user_without_a_usable_key_is_rejected(field: str, value: object) -> None:
    row = {"user_id": "u1", "email": "a@example.com", field: value}
    with pytest.raises(ValueError, match=f"{field} is"):
        prepare("users", **row)


ODD_IDS = ["abc", "12_3", "0x1F", "+7", "٤١٧", 1.5, 1e30, 2**63, "9" * 25, [1], {"a": 1}, True]


def test_a_user_with_an_unusable_contact_id_is_loaded_without_it(
    lists: Lists, api: ApiServer, elt: Elt, query: Query
) -> None:
    """Its key is another; the odd value stays visible in a column of its own."""
    lists["users"] = [user(f"u{n}", None, crmhero_user_id=odd) for n, odd in enumerate(ODD_IDS)]
    assert elt("run").exit_code == 0
    assert query("select count(*), count(crmhero_user_id) from raw.users") == [(len(ODD_IDS), 0)]
    odd = "select other_crmhero_user_id from raw.users order by cast(user_id[2:] as integer)"
    assert query(odd)[:5] == [("abc",), ("12_3",), ("0x1F",), ("+7",), ("٤١٧",)]
    assert query("select count(*) from raw.rejected_rows") == [(0,)]


@pytest.mark.parametrize(
    "fields",
    [
        {"attributes": {"big": 2**64, "deep": [{"x": -(2**70)}]}},
        {"attributes": {"text": "half \ud800 emoji", "\udfff": 1}},
        {"name": "half \ud800 emoji", "role": "\udfff"},
        {"unknown": 2**63},
        {"unknown": 2**64},
        {"unknown": 1e308},
        {"unknown": "9" * 25},
        {"unknown": [1, {"a": 2}]},
        {"attributes": DEEP},
        {"unknown": DEEP, "name": DEEP},
        {"unknown": {"big": 2**64}},
        {"unknown": "0001-01-01T00:00:00+14:00"},
        {"unknown": "9999-12-31T23:59:59-14:00"},
        {"name": "nul \x00", "attributes": {"nul": "\x00"}},
        {"name": "x" * 1_000_000},
        {"_dlt_parent_id": "p", "_dlt_id": "i", "_dlt_load_id": "l", "_cursor": 1, "_version": 2},
        {"": 1, " ": 2, "select": 3, "ünïcode": 4, "a" * 300: 5, 'quo"te': 6},
        {"attributes": {f"key{n}": n for n in range(5000)}},
        {"last_update": float("nan"), "latitude": float("inf")},
    ],
)
def test_no_value_of_one_row_stops_the_load(
    lists: Lists, api: ApiServer, elt: Elt, query: Query, fields: dict[str, Any]
) -> None:
    lists["leads"] = [lead(1, unknown=7), lead(2), lead(3)]
    assert elt("run").exit_code == 0
    lists["leads"][1] = {**lead(2), **fields}
    outcome = elt("run")
    assert outcome.exit_code == 0, outcome.stderr
    assert query("select crmhero_user_id from raw.leads order by 1") == [(1,), (2,), (3,)]
    assert query("select count(*) from raw.leads where _dlt_load_id = 'l'") == [(0,)]
    assert elt("run").exit_code == 0


def test_endless_integers_and_half_characters_are_kept_as_well_as_can_be(
    lists: Lists, api: ApiServer, elt: Elt, query: Query
) -> None:
    lists["leads"] = [lead(1, name="half \ud800", unknown=2**64, attributes={"big": 2**64})]
    assert elt("run").exit_code == 0
    assert query("select name, unknown, attributes ->> 'big' from raw.leads") == [
        ("half \\ud800", str(2**64), str(2**64))
    ]


def test_a_field_of_the_name_that_odd_contact_numbers_get_keeps_its_values(
    lists: Lists, api: ApiServer, elt: Elt, query: Query
) -> None:
    lists["users"] = [
        user("a", 1, crmhero_user_id="odd", other_crmhero_user_id="kept"),
        user("b", 2, crmhero_user_id=3, other_crmhero_user_id="kept, too"),
    ]
    assert elt("run").exit_code == 0
    shown = "other_crmhero_user_id, other_other_crmhero_user_id"
    assert query(f"select {shown} from raw.users order by user_id") == [
        ("odd", "kept"),
        (None, "kept, too"),
    ]


@pytest.mark.parametrize("field", ["attributes", "new_field"])
def test_a_row_that_is_nested_endlessly_is_told_plainly(
    api: ApiServer, elt: Elt, field: str
) -> None:
    nested = f'{{"data":{{"leads":[{{"crmhero_user_id":1,"{field}":{"[" * 1000}{"]" * 1000}}}]}}}}'
    api.fault = lambda request: Reply(200, nested.encode()) if request.name == "leads" else None
    outcome = elt("run")
    assert outcome.exit_code == 1
    assert "nested" in outcome.stderr or "is not JSON" in outcome.stderr


def test_numbers_of_any_length_are_kept_digit_by_digit(
    lists: Lists, api: ApiServer, elt: Elt, query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers = [7, -(2**63), 2**63 + 1, -(2**63) - 1, 2**64 + 1, -(10**18) + 1, 10**40, 45.070, 1e22]
    monkeypatch.setenv("SOURCES__ANALYTICS_API__PAGE_SIZE", "1")  # no number shares its page
    lists["leads"] = [lead(n, unknown=number) for n, number in enumerate(numbers)]
    assert elt("run").exit_code == 0
    stored = query("select unknown from raw.leads order by crmhero_user_id")
    assert stored == [(repr(number),) for number in numbers]


@pytest.mark.parametrize("marked", ["\uf02612.50", "\uf0272026-01-01", "\uf02aff", "\uf02btext"])
def test_a_text_that_begins_like_a_value_in_dlts_files_stays_a_text(
    lists: Lists, api: ApiServer, elt: Elt, query: Query, marked: str
) -> None:
    fields: dict[str, Any] = {"name": marked, "unknown": marked, "attributes": {"x": [marked]}}
    lists["leads"] = [lead(1, **fields), lead(None, **fields)]
    assert elt("run").exit_code == 0
    assert query("select name, unknown, attributes ->> '$.x[0]' from raw.leads") == [
        (marked, marked, marked)
    ]
    shown = "select row_json ->> 'name', row_json ->> '$.attributes.x[0]' from raw.rejected_rows"
    assert query(shown) == [(marked, marked)]


def test_what_json_has_no_number_for_is_text_in_attributes() -> None:
    ready = prepare("leads", crmhero_user_id=1, attributes={"a": math.nan, "b": [-math.inf]})
    assert json.loads(ready["attributes"]) == {"a": "NaN", "b": ["-Infinity"]}


def test_halves_of_different_characters_stay_different() -> None:
    ready = prepare(
        "leads", crmhero_user_id=1, attributes=json.loads(r'{"\ud800": 1, "\ud801": 2}')
    )
    assert json.loads(ready["attributes"]) == {"\\ud800": 1, "\\ud801": 2}


@pytest.mark.parametrize("digits", ["9" * 5000, "-" + "9" * 5000, "9" * 1_000_000])
def test_a_user_with_an_endless_contact_id_is_loaded_without_it(digits: str) -> None:
    """Python refuses to read such a number."""
    ready = prepare("users", user_id="u1", email="a@example.com", crmhero_user_id=digits)
    assert ready["crmhero_user_id"] is None
    assert ready["other_crmhero_user_id"] == digits


def test_json_as_deep_as_python_reads_is_prepared() -> None:
    """Python's stack is what limits it; an answer is read with less of it left than a row has."""
    nested: Any = None
    for levels in range(100, 5000, 10):
        try:
            json.loads('{"a":' * (levels + 50) + "1" + "}" * (levels + 50))
        except RecursionError:
            break
        nested = json.loads('{"a":' * levels + "1" + "}" * levels)
    ready = prepare("leads", crmhero_user_id=1, os=nested, attributes=nested)
    assert ready["os"].count("a") == str(ready["attributes"]).count("a") > 500


def test_a_text_column_holds_nested_values_whole() -> None:
    ready = prepare("leads", crmhero_user_id=1, os=DEEP)
    assert json.loads(ready["os"]) == DEEP


def test_an_unknown_field_never_takes_the_place_of_a_declared_one(
    lists: Lists, api: ApiServer, elt: Elt, query: Query
) -> None:
    lists["users"] = [
        {"userId": 1001, "Email": "shared@example.com", **user("u1", 1)},
        {**user("u2", 2), "userId": 1001, "email ": None, "Email": "shared@example.com"},
    ]
    lists["leads"] = [{**lead(1), "crmheroUserId": 9}, {**lead(2), "crmheroUserId": 9}]
    assert elt("run").exit_code == 0
    assert query("select user_id, email from raw.users order by 1") == [
        ("u1", "u1@example.com"),
        ("u2", "u2@example.com"),
    ]
    assert query("select other_user_id from raw.users") == [("1001",), ("1001",)]
    assert query("select crmhero_user_id from raw.leads order by 1") == [(1,), (2,)]


def test_no_unknown_field_is_lost_to_another(
    lists: Lists, api: ApiServer, elt: Elt, query: Query
) -> None:
    fields = {"Email": "b", "other_email": "c", "Plan": "gold", "plan": "free", "_version": "d"}
    lists["leads"] = [{**lead(1, email="a"), **fields}]
    assert elt("run").exit_code == 0
    (row,) = query("select columns(* exclude (last_update, attributes)) from raw.leads")
    assert {"a", "b", "c", "gold", "free", "d"} <= set(row)
    assert query("select email from raw.leads") == [("a",)]


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


def test_an_odd_contact_id_takes_no_other_fields_column() -> None:
    fields = {"crmheroUserId": 9, "user_id": "u1", "email": "a@example.com"}
    ready = prepare("users", **fields, crmhero_user_id="abc")
    assert ready["other_crmhero_user_id"] == "abc"
    assert "9" in ready.values()


def test_an_undated_copy_that_is_read_later_is_the_newer_one(
    lists: Lists, api: ApiServer, elt: Elt, query: Query
) -> None:
    pages = [[lead(1, name="old")], [lead(1, name="new", last_update=None)], []]
    api.fault = listing(pages)
    assert elt("run").exit_code == 0
    assert query("select name from raw.leads") == [("new",)]


def test_a_rejected_row_can_be_looked_at_whatever_it_is(
    lists: Lists, api: ApiServer, elt: Elt, query: Query
) -> None:
    rows: list[Any] = [{}, [], None, "text", 7, {"email": "\ud800"}]
    api.fault = listing([rows])
    assert elt("run").exit_code == 0
    shown = {row for (row,) in query("select row_json::varchar from raw.rejected_rows")}
    assert shown == {"{}", "[]", "[null]", '["text"]', "[7]", '{"email":"\\\\ud800"}'}
