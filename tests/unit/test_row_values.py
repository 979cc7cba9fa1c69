"""Values that nobody expects of an API, from its JSON to the rows that the source yields."""

import json
from typing import Any

import pytest

from extract.sandbox.server import ApiServer, ListRequest, Reply
from tests.support.builders import Lists, lead, listing, user
from tests.support.sync import Source, newest
from tests.support.unexpected import UNEXPECTED_FIELDS


@pytest.mark.parametrize("fields", UNEXPECTED_FIELDS, ids=lambda fields: repr(fields)[:30])
def test_no_value_of_one_row_keeps_others_from_being_yielded(
    lists: Lists, api: ApiServer, source: Source, fields: dict[str, Any]
) -> None:
    lists["leads"] = [lead(1, unknown=7), {**lead(2), **fields}, lead(3)]
    synced = source.sync()
    assert synced.exit_code == 0, synced.error
    assert synced.ids() == [1, 2, 3]
    assert synced.rejected == []


def test_endless_integers_and_halves_of_characters_keep_what_they_can(
    lists: Lists, api: ApiServer, source: Source
) -> None:
    lists["leads"] = [lead(1, name="half \ud800", unknown=2**64, attributes={"big": 2**64})]
    (row,) = source.sync().rows["leads"]
    assert (row["name"], row["unknown"]) == ("half \\ud800", str(2**64))
    assert json.loads(row["attributes"]) == {"big": str(2**64)}


def test_numbers_of_any_length_are_kept_digit_by_digit(
    lists: Lists, api: ApiServer, source: Source
) -> None:
    numbers = [7, -(2**63), 2**63 + 1, -(2**63) - 1, 2**64 + 1, -(10**18) + 1, 10**40, 45.070, 1e22]
    lists["leads"] = [lead(n, unknown=number) for n, number in enumerate(numbers)]
    synced = source.sync(page_size=1)  # no number shares its page
    rows = newest(synced.rows["leads"], "crmhero_user_id")
    assert [rows[n]["unknown"] for n in range(len(numbers))] == [repr(n) for n in numbers]


@pytest.mark.parametrize("other", ["7", "9223372036854775808"], ids=["short", "long"])
def test_a_contact_id_that_is_not_exact_is_never_another_contacts(
    api: ApiServer, source: Source, other: str
) -> None:
    """A JSON float, an integer and a text, which are one number as floats."""
    page = """{"data": {"%s": [
        {"user_id": "a", "email": "a", "crmhero_user_id": 9007199254740995.0, "score": %s},
        {"user_id": "b", "email": "b", "crmhero_user_id": 9007199254740996},
        {"user_id": "c", "email": "c", "crmhero_user_id": "9007199254740995.0"},
        {"user_id": 9007199254740995.0, "email": "d", "crmhero_user_id": 1e3}]}}"""

    def respond(request: ListRequest) -> Reply | None:
        return Reply(200, (page % (request.name, other)).encode()) if request.page == 0 else None

    api.fault = respond
    synced = source.sync()
    assert synced.exit_code == 0, synced.error
    assert synced.ids() == [1000, 9007199254740995, 9007199254740996]
    users = {row["user_id"]: row for row in synced.rows["users"]}
    assert {name: row["crmhero_user_id"] for name, row in users.items()} == {
        "a": None, "b": 9007199254740996, "c": 9007199254740995,
    }  # fmt: skip
    assert users["a"]["other_crmhero_user_id"] == "9007199254740996.0"
    assert sorted((row["resource"], row["reason"]) for row in synced.rejected) == [
        ("leads", "crmhero_user_id is a decimal number of 2^53 or more, which is not exact"),
        ("users", "user_id is a decimal number of 2^53 or more, which is not exact"),
    ]


def test_rows_of_different_fields_have_null_where_they_lack_one(
    lists: Lists, api: ApiServer, source: Source
) -> None:
    """On one page, and on pages of their own."""
    lists["leads"] = [lead(1, score=7), lead(2, company={"name": "Acme"}), lead(3)]
    for page_size in (50, 1):
        source.state.clear()
        rows = newest(source.sync(page_size=page_size).rows["leads"], "crmhero_user_id")
        assert [(rows[n].get("score"), rows[n].get("company")) for n in (1, 2, 3)] == [
            ("7", None),
            (None, '{"name": "Acme"}'),
            (None, None),
        ]


def test_every_declared_field_is_in_every_row(lists: Lists, api: ApiServer, source: Source) -> None:
    lists["leads"], lists["users"] = [{"crmhero_user_id": 1}], [user("u1", 7)]
    synced = source.sync()
    (a_lead,), (a_user,) = synced.rows["leads"], synced.rows["users"]
    assert {"email", "latitude", "utm_term", "role", "attributes", "_cursor"} <= set(a_lead)
    assert {"user_id", "email", "nps_vote", "initiated_checkout_at", "crmhero_user_id"} <= set(
        a_user
    )
    assert a_lead["email"] is None


def test_rows_without_a_key_are_rejected_and_the_others_yielded(
    lists: Lists, api: ApiServer, source: Source
) -> None:
    bad_leads: list[Any] = [
        lead(None),
        {"email": "a@example.com"},
        lead(0) | {"crmhero_user_id": " "},
    ]
    bad_users = [user(None, 5), user("u1", 6, email=None), user("u2", 7, email="  ")]
    api.fault = listing([[*bad_leads, None, "a string", lead(1), lead(2)]])
    lists["users"] = [*bad_users, user("u3", 8)]
    synced = source.sync()
    assert synced.exit_code == 0
    assert synced.ids() == [1, 2]
    assert [row["user_id"] for row in synced.rows["users"]] == ["u3"]
    rejected = sorted(row["resource"] for row in synced.rejected)
    assert rejected == ["leads"] * 5 + ["users"] * 3
    assert synced.counts["leads"].rows_read == 7
