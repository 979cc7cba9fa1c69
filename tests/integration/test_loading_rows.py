"""What a load merges into raw: tables, the newest copy of a row, changes, rejected rows, counts."""

from typing import Any

import pytest

from extract.sandbox.server import ApiServer
from tests.support.builders import Lists, Load, lead, leads, listing, moment, user, users
from tests.support.elt import Elt, Query

pytestmark = pytest.mark.usefixtures("without_models")
COLUMNS = {
    "leads": {"crmhero_user_id", "email", "latitude", "attributes", "role", "utm_term"},
    "users": {"user_id", "email", "crmhero_user_id", "nps_vote", "initiated_checkout_at"},
    "rejected_rows": {"resource", "row_hash", "reason", "row_json", "_dlt_load_id"},
    "elt_runs": {"load_id", "mode", "started_at", "finished_at", "users_requests"},
}


def columns(query: Query, table: str) -> set[str]:
    """Return the columns of a raw table."""
    names = query(
        "select column_name from information_schema.columns "
        f"where table_schema = 'raw' and table_name = '{table}'"
    )
    return {name for (name,) in names}


def counts(query: Query, name: str = "leads") -> tuple[int | None, ...]:
    """Return what the newest run noted: rows read, new, changed, rejected, requests."""
    fields = ("rows_read", "rows_new", "rows_changed", "rows_rejected", "requests")
    newest = "order by started_at desc limit 1"
    (row,) = query(f"select {', '.join(f'{name}_{f}' for f in fields)} from raw.elt_runs {newest}")
    return row


def test_all_raw_tables_exist_after_a_first_run_without_rows(
    api: ApiServer, elt: Elt, query: Query
) -> None:
    assert elt("run").exit_code == 0
    for table, some in COLUMNS.items():
        assert some <= columns(query, table), table
    assert query("select count(*) from raw.leads") == [(0,)]
    assert counts(query) == counts(query, "users") == (0, 0, 0, 0, 4)


@pytest.mark.parametrize(("chosen", "other"), [("leads", "users"), ("users", "leads")])
def test_only_the_chosen_resource_is_read_and_the_tables_of_both_exist(
    lists: Lists, api: ApiServer, elt: Elt, query: Query, chosen: str, other: str
) -> None:
    lists["leads"], lists["users"] = leads(3), users(3)
    assert elt("run", "--resources", chosen).exit_code == 0
    assert {request.name for request in api.requests} == {chosen}
    assert query(f"select count(*) from raw.{chosen}") == [(3,)]
    assert query(f"select count(*) from raw.{other}") == [(0,)]
    for table, some in COLUMNS.items():
        assert some <= columns(query, table), table
    assert counts(query, other) == (None,) * 5
    if chosen == "leads":
        assert elt("run").exit_code == 0
        assert query("select count(*) from raw.users") == [(3,)]


def test_counts_of_a_first_run_of_an_unchanged_second_and_of_one_with_changes(
    lists: Lists, loaded: Load, elt: Elt, query: Query
) -> None:
    loaded(leads(120), users(3))
    assert counts(query) == (120, 120, 0, 0, 6)
    assert counts(query, "users") == (3, 3, 0, 0, 4)
    assert elt("run").exit_code == 0
    assert counts(query) == (50, 0, 0, 0, 1)
    assert counts(query, "users") == (3, 0, 0, 0, 2)
    lists["leads"][99] = lead(100, minutes_before=-3, name="changed")
    lists["leads"].append(lead(999, minutes_before=-2))
    assert elt("run").exit_code == 0
    assert counts(query)[1:] == (1, 1, 0, 2)
    assert query("select name from raw.leads where crmhero_user_id = 100") == [("changed",)]
    assert query("select count(*) from raw.leads") == [(121,)]
    assert query("select mode from raw.elt_runs order by started_at") == [
        ("full",),
        ("incremental",),
        ("incremental",),
    ]


def test_changes_of_more_than_a_page_are_merged_into_both_tables(
    lists: Lists, loaded: Load, elt: Elt, query: Query
) -> None:
    loaded(leads(120), users(3))
    lists["leads"] = [
        lead(n, -n, name="changed") if n % 2 == 0 else lead(n, n) for n in range(1, 121)
    ]
    lists["users"] += [user(f"new{n}", 900 + n, -n) for n in range(1, 71)]
    assert elt("run").exit_code == 0
    assert counts(query)[1:3] == (0, 60)
    assert counts(query, "users")[1:3] == (70, 0)
    assert query("select count(*), count(name), max(last_update) from raw.leads") == [
        (120, 60, moment(-120))
    ]
    assert query("select count(*) from raw.users") == [(73,)]


def test_a_run_with_nothing_to_load_of_one_resource_loads_the_other(
    lists: Lists, loaded: Load, elt: Elt, query: Query
) -> None:
    """The newest leads are no longer listed, and all others are older than the overlap."""
    loaded(leads(120), users(3))
    lists["leads"] = lists["leads"][20:]
    lists["users"].append(user("u4", 1, -1))
    assert elt("run").exit_code == 0
    assert counts(query) == (50, 0, 0, 0, 1)
    assert query("select user_id from raw.users order by 1") == [("u1",), ("u2",), ("u3",), ("u4",)]


@pytest.mark.parametrize("own_files", [False, True])
def test_of_copies_on_shifting_pages_the_newest_is_stored(
    api: ApiServer, elt: Elt, query: Query, own_files: bool
) -> None:
    """In one file of the load package, and in two: an unknown field begins a file."""
    unknown: dict[str, Any] = {"new_field": "begins a file"} if own_files else {}
    old: dict[str, Any] = {"minutes_before": 9, "name": "older"}
    new: dict[str, Any] = {"minutes_before": 1, "name": "newer"}
    api.fault = listing(
        [
            [
                lead(1, **new),
                lead(2, **old),
                lead(3, name="older"),
                lead(4, name="older"),
                lead(5, name="only"),
            ],
            [
                lead(1, **old, **unknown),
                lead(2, **new),
                lead(3, name="newer"),
                lead(4, name="newer", last_update=None),
                lead(6, name="only"),
            ],
        ]
    )
    assert elt("run").exit_code == 0
    assert query("select crmhero_user_id, name from raw.leads order by 1") == [
        *((number, "newer") for number in range(1, 5)),
        (5, "only"),
        (6, "only"),
    ]
    assert counts(query)[1:4] == (6, 0, 0)
    if own_files:
        assert query("select count(new_field) from raw.leads") == [(0,)]


BAD_LEADS: list[Any] = [
    lead(None, name="null"),
    {key: value for key, value in lead(2).items() if key != "crmhero_user_id"},
    lead(None, crmhero_user_id=" "),
    lead(None, crmhero_user_id="abc"),
    {},
    [],
    None,
    "text",
    7,
    {"email": "\ud800"},
]


def test_rows_without_a_key_are_stored_apart_once_however_often_they_are_read(
    lists: Lists, api: ApiServer, elt: Elt, query: Query
) -> None:
    bad_users = [user(None, 5), user("u1", 6, email=None), user("u2", 7, email="  ")]
    lists["users"] = [*bad_users, user("u3", 8)]
    api.fault = listing([[*BAD_LEADS, *leads(3)]])
    for _ in range(2):
        outcome = elt("run")
        assert outcome.exit_code == 0
        assert f"{len(BAD_LEADS)} rows of leads set aside" in outcome.stdout
        assert "3 rows of users set aside" in outcome.stdout
        assert counts(query)[3] == len(BAD_LEADS)
        assert query("select count(*) from raw.leads") == [(3,)]
        assert query("select user_id from raw.users") == [("u3",)]
        assert query(
            "select resource, count(*), count(distinct row_hash) "
            "from raw.rejected_rows group by all order by 1"
        ) == [("leads", len(BAD_LEADS), len(BAD_LEADS)), ("users", 3, 3)]
    row = "from raw.rejected_rows where row_json ->> 'name' = 'null'"
    assert query(f"select reason {row}") == [("crmhero_user_id is missing or blank",)]
    shown = {row for (row,) in query("select row_json::varchar from raw.rejected_rows")}
    assert {"{}", "[]", "[null]", '["text"]', "[7]", '{"email":"\\\\ud800"}'} <= shown
