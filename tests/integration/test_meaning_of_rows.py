"""What rows mean that public reports show: who is one contact, who may be written to, and codes.

How single values are read is in tests/unit/test_spellings.py.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.support.builders import Load, Row, lead, user
from tests.support.compiled import Compiled

Show = Callable[[str], list[Any]]
Build = Callable[[list[Row], list[Row]], Show]


@pytest.fixture
def build(loaded: Load, data_dir: Path, compiled: Compiled) -> Iterator[Build]:
    """Load leads and users, build the models, and return what queries the warehouse."""
    with ExitStack() as stack:

        def run(leads: list[Row], users: list[Row]) -> Show:
            loaded(leads, users)
            warehouse = duckdb.connect(str(data_dir / "warehouse.duckdb"))
            stack.enter_context(warehouse)
            compiled.build(warehouse)
            return lambda sql: warehouse.sql(sql).fetchall()

        yield run


def warned(data_dir: Path, compiled: Compiled) -> dict[str, str]:
    with duckdb.connect(str(data_dir / "warehouse.duckdb")) as warehouse:
        return compiled.test(warehouse)


def test_people_to_whom_a_tracker_gave_one_user_id_are_contacts_of_their_own(
    build: Build, data_dir: Path, compiled: Compiled
) -> None:
    """By their contact ids, or where they have none and the user id is nobody's, by e-mail."""
    numbers = (2001, 2002, 2003)
    shared = [
        user(user_id, number, email=f"{user_id}{number}@example.com")
        for user_id, first in (("undefined", 0), ("u1", 100))
        for number in (first + n for n in numbers)
    ]
    without_number = [user("null", None, email=f"b{n}@example.com") for n in (1, 2)]
    show = build([], [*shared, *without_number])
    assert show("select contact_id, email from marts.dim_users order by 1") == [
        *((str(n), f"undefined{n}@example.com") for n in numbers),
        *((str(100 + n), f"u1{100 + n}@example.com") for n in numbers),
        *((f"user:null:b{n}@example.com", f"b{n}@example.com") for n in (1, 2)),
    ]
    assert warned(data_dir, compiled) == {"assert_no_user_is_two_contacts": "warn"}


def test_users_and_leads_with_a_number_of_nobody_are_contacts_of_their_own(build: Build) -> None:
    """A user with 0 or less is known by the user id; of a lead, such a number is the key."""
    show = build(
        [lead(0), lead(-1)],
        [user("u1", 0), user("u2", 0), user("u3", -1), user("u4", None), user("u5", 7)],
    )
    assert show("select contact_id, contact_stage from marts.dim_contacts order by 1") == [
        ("-1", "lead"),
        ("0", "lead"),
        ("7", "direct_user"),
        *((f"user:u{n}", "direct_user") for n in (1, 2, 3, 4)),
    ]


@pytest.mark.parametrize("flag", ["unsubscribe", "bounce", "spam"])
def test_who_may_have_objected_is_not_reachable(build: Build, flag: str) -> None:
    """Only a clear no is a no."""
    no: list[Any] = [None, "", [], 0, 0.0, "0", False, "false", "no", "off"]
    unclear: list[Any] = [
        *("on", 2, "2024-06-27 11:58:41", 1719403121, "unsubscribed", {"at": 1}),
        *(["newsletter"], {}, True, 1, "null", [0]),
    ]
    leads = [lead(n) | {flag: value} for n, value in enumerate([*no, *unclear], start=1)]
    absent = lead(100)
    absent.pop(flag, None)
    show = build([*leads, absent], [user("u", 101) | {flag: {"at": 1}}])
    reachable = show(
        "select cast(contact_id as integer) from marts.dim_contacts where is_reachable order by 1"
    )
    assert [number for (number,) in reachable] == [*range(1, len(no) + 1), 100]
    assert (
        show(
            "select cast(contact_id as integer) from marts.fct_contact_changes "
            "where is_reachable order by 1"
        )
        == reachable
    )


def test_a_blank_or_an_e_mail_that_is_no_address_is_not_reachable_in_either_list(
    build: Build,
) -> None:
    blanks = ["\u00a0", "\u3000", "\u200b"]
    no_addresses = ["null", "-", "N/A", "no-at-sign", "@", "x@", "@y.z", "x@y@z"]
    emails = [*blanks, *no_addresses, "x@y.z\u00a0", "\u200bx@y.z"]
    show = build(
        [lead(n, email=email) for n, email in enumerate(emails)],
        [user(f"u{n}", 100 + n, email=email) for n, email in enumerate(emails)],
    )
    shown = (
        "select email, is_reachable from marts.dim_contacts where is_user = {} "
        "order by cast(contact_id as integer)"
    )
    addresses = [("x@y.z", True)] * 2
    none = [(email, False) for email in no_addresses]
    assert show(shown.format(False)) == [*[(None, False)] * len(blanks), *none, *addresses]
    # of users, the e-mail is part of the key: a row without one is rejected
    assert show(shown.format(True)) == [*none, *addresses]
    assert show("select count(*) from raw.rejected_rows") == [(len(blanks),)]


def test_the_audience_has_one_row_of_a_country_code_however_it_is_written(build: Build) -> None:
    countries = [("IT", "Italy"), ("it", "Italia"), (" It\u00a0", "Italy"), ("NA", "Namibia")]
    show = build(
        [
            lead(n, country_code=code, country=country)
            for n, (code, country) in enumerate(countries)
        ],
        [],
    )
    assert show(
        "select country_code, country, contacts from marts.fct_audience_by_country order by 1"
    ) == [("IT", "Italy", 3), ("NA", "Namibia", 1)]
