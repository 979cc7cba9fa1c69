"""Loads of an API that drifts: what it sends is in raw and in the marts, or a data test warns.

Each test starts from a warehouse with some contacts, so that what comes then meets tables that
exist. That dbt builds on all of it together is tested in tests/e2e/test_history.py.
"""

import json
import math
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import duckdb
import pytest

from extract import settings
from extract.sandbox.server import ApiServer, ListRequest, Reply
from tests.support import drift
from tests.support.builders import Lists, Load, Row, lead, listing, user
from tests.support.compiled import Compiled
from tests.support.drift import DEEP, VALUES, Value
from tests.support.elt import Elt

Connection = duckdb.DuckDBPyConnection
Built = Callable[..., Connection]
DATES = "dates_of_{}_are_readable"
FLAGS_AND_NUMBERS = "flags_and_numbers_of_{}_are_readable"
REJECTED = "assert_no_row_was_rejected"


@pytest.fixture(autouse=True)
def first_run(loaded: Load) -> None:
    """A first run is over when the API begins to drift."""
    loaded(
        [lead(900, 90), lead(800, 91, name="had a name", latitude=1, attributes={"role": "x"})],
        [user("known", 901, 90), user("bare", 801, 92, name="had a name")],
    )


@pytest.fixture
def built(elt: Elt, data_dir: Path, compiled: Compiled) -> Iterator[Built]:
    """Run `elt run` without models, and return the warehouse with all models built."""
    with ExitStack() as stack:

        def run(*arguments: str) -> Connection:
            stack.close()
            outcome = elt("run", *arguments)
            assert outcome.exit_code == 0, outcome.stderr
            connection = duckdb.connect(str(data_dir / "warehouse.duckdb"))
            warehouse = stack.enter_context(connection)
            warehouse.execute("drop schema if exists snapshots cascade")  # history begins now
            compiled.build(warehouse)
            return warehouse

        yield run


def rows(warehouse: Connection, sql: str) -> list[tuple[Any, ...]]:
    return warehouse.sql(sql).fetchall()


def columns(warehouse: Connection, table: str) -> list[dict[str, Any]]:
    """Return the rows of a table by column."""
    relation = warehouse.sql(f"from {table}")
    return [dict(zip(relation.columns, row, strict=True)) for row in relation.fetchall()]


def expected(column: str, data_type: str, case: Value) -> Any:
    """Return what a mart shows of a value in a column."""
    if data_type == "DOUBLE":
        return case.number
    if column in ("is_unsubscribed", "is_bounced", "is_marked_as_spam"):
        return True if case.flag is None and case.text is not None else case.flag
    if data_type == "BOOLEAN":
        return case.flag
    if column.endswith("_code") and column != "postal_code":
        return case.text and case.text.upper()
    return case.text if data_type == "VARCHAR" else None


def test_every_known_field_takes_every_kind_of_value(
    lists: Lists, built: Built, compiled: Compiled
) -> None:
    lists["leads"] += drift.leads_of_values()
    lists["users"] += drift.users_of_values()
    warehouse = built("--full-refresh")

    for name, fields, key in (
        ("leads", drift.LEAD_FIELDS, "crmhero_user_id"),
        ("users", drift.USER_FIELDS, "user_id"),
    ):
        raw = {str(row[key]): row for row in columns(warehouse, f"raw.{name}")}
        for n, case in enumerate(VALUES):
            wrong = [field for field in fields if raw[str(n)][field] != case.raw]
            assert not wrong, (name, n, wrong)

    ours = {
        *("contact_id", "user_id", "contact_stage", "is_user", "is_converted", "loaded_at"),
        *("is_reachable", "is_active", "has_signup_date", "nps_category", "nps_voted_at"),
        *("first_contact_at", "signed_up_at", "converted_at", "waiting_days", "days_to_convert"),
    }
    for mart, first_id in (("dim_contacts", 0), ("dim_leads", 0), ("dim_users", 1000)):
        types = dict(
            rows(
                warehouse,
                "select column_name, data_type from information_schema.columns "
                f"where table_schema = 'marts' and table_name = '{mart}'",
            )
        )
        shown = {row["contact_id"]: row for row in columns(warehouse, f"marts.{mart}")}
        checked = [c for c in types if c not in ours and (c != "email" or mart != "dim_users")]
        assert len(checked) > 10
        for n, case in enumerate(VALUES):
            row = shown[str(first_id + n)]
            wrong = [c for c in checked if row[c] != expected(c, types[c], case)]
            assert not wrong, (mart, n, wrong)

    tests = (DATES, FLAGS_AND_NUMBERS)
    assert compiled.test(warehouse) == {
        test.format(name): "warn" for test in tests for name in ("leads", "users")
    }
    unreadable = [case for case in VALUES if case.text is not None]
    no_flags = sum(case.flag is None for case in unreadable)
    no_numbers = sum(case.number is None for case in unreadable)
    for name, numbers in (("leads", drift.PLACE), ("users", (*drift.PLACE, "nps_vote"))):
        found = compiled.found(warehouse, FLAGS_AND_NUMBERS.format(name))
        assert Counter(row["column_name"] for row in found) == {
            **dict.fromkeys(drift.FLAGS, no_flags),
            **dict.fromkeys(numbers, no_numbers),
        }


def test_every_kind_of_key_is_loaded_or_rejected_with_its_reason(
    lists: Lists, built: Built, compiled: Compiled
) -> None:
    lists["leads"] += drift.leads_of_keys()
    lists["users"] += drift.users_of_keys()
    warehouse = built("--full-refresh")

    usable = sorted(key for _, key in drift.KEYS if key is not None)
    found = rows(warehouse, "select user_id from raw.users where email = 'same@example.com'")
    assert sorted(key for (key,) in found) == usable
    assert rows(warehouse, "select name from raw.users where user_id = '7'") == [("newest",)]
    found = rows(warehouse, "select email from raw.users where user_id = 'same'")
    assert sorted(key for (key,) in found) == usable
    numbers = sorted(number for _, number in drift.NUMBERS if number is not None)
    found = rows(warehouse, "select crmhero_user_id from raw.leads order by 1")
    assert [number for (number,) in found] == sorted([*numbers, 800, 900])

    # a user has another key: it is loaded, and its unusable contact id is beside it
    by_id = {row["user_id"]: row for row in columns(warehouse, "raw.users")}
    for n, (value, number) in enumerate(drift.NUMBERS):
        row = by_id[f"number {n}"]
        assert row["crmhero_user_id"] == number
        nothing = number is not None or not value or not str(value).strip()
        assert (row["other_crmhero_user_id"] is None) == nothing, value

    rejected = compiled.found(warehouse, REJECTED)
    assert Counter((row["resource"], row["reason"]) for row in rejected) == {
        ("leads", "crmhero_user_id is missing or blank"): 4,
        ("leads", "crmhero_user_id is neither a text nor a number"): 8,
        ("leads", "crmhero_user_id is a decimal number of 2^53 or more, which is not exact"): 1,
        ("leads", "crmhero_user_id is not a whole number"): len(drift.NUMBERS) - len(numbers) - 13,
        ("users", "email is missing or blank"): 4,
        ("users", "email is neither a text nor a number"): 8,
        ("users", "user_id is missing or blank"): 4,
        ("users", "user_id is neither a text nor a number"): 8,
    }
    assert compiled.test(warehouse) == {REJECTED: "warn"}
    shown = rows(warehouse, "select user_id from marts.dim_users where email = 'same@example.com'")
    assert sorted(key for (key,) in shown) == usable
    assert rows(warehouse, "select count(*) from marts.dim_users where user_id = 'same'") == [(1,)]


def test_attributes_of_every_kind_stay_one_value(
    lists: Lists, api: ApiServer, built: Built
) -> None:
    lists["leads"] += drift.leads_of_attributes()
    twice = "two values of one key"
    users = [*lists["users"], *drift.users_of_attributes(), user("twice", 2002, attributes=twice)]

    def with_a_key_twice(request: ListRequest) -> Reply | None:
        if request.name != "users" or request.page:
            return None
        page = json.dumps({"data": {"users": users}})
        return Reply(200, page.replace(f'"{twice}"', '{"role": 1, "role": 2}').encode())

    api.fault = with_a_key_twice
    warehouse = built("--full-refresh")

    raw = dict(rows(warehouse, "select crmhero_user_id, attributes from raw.leads"))
    for n, (_, attributes) in enumerate(drift.ATTRIBUTES):
        assert json.loads(raw[n] or "null") == attributes
    for n, attributes in enumerate(drift.MANY_KEYS):
        assert json.loads(raw[100 + n]) == attributes

    by_id = {row["user_id"]: row for row in columns(warehouse, "marts.dim_users")}
    for n, case in enumerate(drift.SCALARS):
        row = by_id[f"scalar {n}"]
        assert row["role"] == case.text or float(row["role"]) == case.value
        assert (row["created_at"], row["is_subscription_active"]) == (None, case.flag)
    nested = '{"a":[1,"\\u0000","NaN","18446744073709551616"]}'
    assert by_id["nested"]["role"] == nested
    assert by_id["twice"]["role"] == "2"
    # what is nested deeper than dlt can write is text from there on
    deep = by_id["deep"]["role"]
    assert (deep.count("deeper"), deep.count("bottom")) == (300, 1)


def test_fields_come_and_go(lists: Lists, api: ApiServer, built: Built, compiled: Compiled) -> None:
    new_leads = drift.leads_of_fields()
    only_the_key = {"crmhero_user_id": 800}
    lists["users"] = [{"user_id": "bare", "email": "bare@example.com"}]
    no_rows = ["text", 7, None, True, [], ["list"], math.nan, "half \ud83d", DEEP, [DEEP], {}]
    api.fault = listing([[*new_leads, only_the_key, *no_rows]])
    warehouse = built()

    raw = {row["crmhero_user_id"]: row for row in columns(warehouse, "raw.leads")}
    fields_by_column: dict[str, set[str]] = {}
    for n, sent in enumerate(new_leads):
        texts = {c: t for c, t in raw[n].items() if isinstance(t, str) and t.endswith(f" of {n}")}
        assert len(texts) == sum(field in sent for field in drift.NEW_FIELDS)
        for column, text in texts.items():
            fields_by_column.setdefault(column, set()).add(text.removesuffix(f" of {n}"))
    # a field stays in its column in all rows, alone
    assert len(fields_by_column) == len(drift.NEW_FIELDS)
    assert {len(found) for found in fields_by_column.values()} == {1}
    assert fields_by_column["new_field_299"] == {"new field 299"}

    declared = set(settings.list_columns("leads"))
    filled = {"crmhero_user_id", "_version", "_dlt_id"}
    assert {c for c in declared if raw[800][c] is not None} == filled
    assert rows(
        warehouse,
        "select email, full_name, latitude from marts.dim_contacts where contact_id = '800'",
    ) == [(None, None, None)]
    assert rows(
        warehouse, "select contact_id, full_name from marts.dim_users where user_id = 'bare'"
    ) == [("user:bare", None)]

    rejected = compiled.found(warehouse, REJECTED)
    assert Counter(row["reason"] for row in rejected) == {
        "is not an object": len(no_rows) - 2,
        "crmhero_user_id is missing or blank": 2,
    }
    kept = {row["row_json"] for row in rejected}
    deep = {row for row in kept if "deeper" in row}
    assert {row.count("deeper") for row in deep} == {300}
    assert kept - deep == {
        *("{}", "[]", "[7]", "[null]", "[true]"),
        *('["text"]', '["list"]', '["NaN"]', '["half \\\\ud83d"]'),
    }
    unreadable = (DATES.format("leads"), FLAGS_AND_NUMBERS.format("leads"))
    assert compiled.test(warehouse) == dict.fromkeys([REJECTED, *unreadable], "warn")
    for test in unreadable:
        assert len(compiled.found(warehouse, test)) == len(new_leads)


def test_only_flags_and_numbers_that_cannot_be_read_warn(
    lists: Lists, built: Built, compiled: Compiled
) -> None:
    yes_or_no = [
        *("1", "1.0", "true", "t", "yes", "y", "on"),
        *("0", "0.0", "false", "f", "no", "n", "off"),
    ]
    readable: list[Any] = [
        *(None, "", " \n", "\u00a0", 0, 1, 1.0, True, False, []),
        *yes_or_no,
        *map(str.upper, yes_or_no),
        " Y ",
    ]
    numbers: list[Row] = [
        {"latitude": 90, "longitude": 180, "nps_vote": 10},
        {"latitude": "-90", "longitude": " -180.0 ", "nps_vote": "0"},
        {"latitude": "4.507e1", "longitude": None, "nps_vote": ""},
    ]
    unreadable: Row = {
        "latitude": 90.1,
        "longitude": "180,5",
        "nps_vote": 11,
        "spam": "2",
        "bounce": "high",
        "attributes": {"sub_active": "maybe"},
    }
    lists["users"] += [
        user("bad", None, **unreadable),
        *(user(f"flag {n}", n, **dict.fromkeys(drift.FLAGS, v)) for n, v in enumerate(readable)),
        *(user(f"own {n}", None, attributes={"sub_active": v}) for n, v in enumerate(readable)),
        *(user(f"number {n}", None, **fields) for n, fields in enumerate(numbers)),
        # only the subscription's flag is looked for in the attributes, too
        user("own", None, attributes={"bounce": "high", "latitude": "north"}),
    ]
    warehouse = built()
    name = FLAGS_AND_NUMBERS.format("users")
    assert compiled.test(warehouse) == {name: "warn"}
    assert sorted(
        (row["email"], row["column_name"], row["unreadable_value"])
        for row in compiled.found(warehouse, name)
    ) == [
        ("bad@example.com", "bounce", "high"),
        ("bad@example.com", "latitude", "90.1"),
        ("bad@example.com", "longitude", "180,5"),
        ("bad@example.com", "nps_vote", "11"),
        ("bad@example.com", "spam", "2"),
        ("bad@example.com", "sub_active", "maybe"),
    ]
