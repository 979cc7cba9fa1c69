"""Runs on an API that breaks its contract: no row is lost silently, and no deletion is invented."""

import itertools
import json
from collections.abc import Sequence
from typing import Any

import pytest

from extract.sandbox.server import ApiServer, ListRequest, Reply
from tests.support.builders import Lists, Load, Row, lead, leads, listing, users
from tests.support.elt import Elt, Query
from tests.support.syncs import DAYS, lead_ids, mode, pages

pytestmark = pytest.mark.usefixtures("without_models")


def reply(rows: Sequence[Row], request: ListRequest) -> Reply:
    """Return a page of rows that are in the order of the list."""
    listed = rows[request.page * request.per_page :][: request.per_page]
    return Reply.of_json({"data": {request.name: listed}})


def test_a_list_in_the_wrong_order_is_read_whole_with_a_warning(
    lists: Lists, api: ApiServer, loaded: Load, elt: Elt, query: Query
) -> None:
    """Both lists come oldest first; then 3 leads change, 1 is new and 1 is deleted."""

    def oldest_first(request: ListRequest) -> Reply:
        rows = sorted(lists[request.name], key=lambda row: str(row["last_update"]))
        return reply(rows, request)

    loaded(leads(200), users(200))
    api.fault = oldest_first
    for number in (3, 60, 130):
        lists["leads"][number - 1] = lead(number, -number, name="changed")
    lists["leads"].append(lead(500, -1))
    lists["leads"].pop(99)
    outcome = elt("run", "--json")
    assert outcome.exit_code == 0
    assert query("select count(*) from raw.leads where name = 'changed'") == [(3,)]
    assert 100 not in lead_ids(query)
    assert 500 in lead_ids(query)
    warnings = json.loads(outcome.stdout)["warnings"]
    assert [warning.split(",")[0] for warning in warnings] == [
        "leads: the pages are not in the requested order",
        "users: the pages are not in the requested order",
    ]


def test_a_list_that_is_in_order_by_chance_gets_full_syncs_once_it_is_noticed(
    lists: Lists, api: ApiServer, loaded: Load, elt: Elt, query: Query, full_syncs: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """It is sorted by id, and what did not change since it came is in the order of the ids."""
    loaded(leads(120), users(3))
    api.fault = lambda request: reply(lists[request.name], request)
    lists["leads"][99] = lead(100, 0.5, name="changed")
    (warning,) = json.loads(elt("run", "--json").stdout)["warnings"]
    assert warning.startswith("leads: the pages are not in the requested order")
    assert "found 1 changes that incremental syncs had missed" in warning
    monkeypatch.setenv(DAYS, "0")
    lists["leads"][79] = lead(80, -1, name="changed")
    assert elt("run").exit_code == 0
    assert query("select crmhero_user_id from raw.leads where name = 'changed' order by all") == [
        (80,),
        (100,),
    ]


def test_a_page_of_changes_that_is_empty_once_hides_none(
    lists: Lists, api: ApiServer, loaded: Load, elt: Elt, query: Query
) -> None:
    loaded(leads(300), users(3))
    for number in range(1, 121):
        lists["leads"][-number] = lead(301 - number, -number, name="changed")
    left = [1]

    def empty_once(request: ListRequest) -> Reply | None:
        if (request.name, request.page) == ("leads", 1) and left:
            left.pop()
            return Reply.of_json({"data": {"leads": []}})
        return None

    api.fault = empty_once
    assert elt("run").exit_code == 0
    assert mode(query) == "full"
    assert query("select count(*) from raw.leads where name = 'changed'") == [(120,)]
    assert lead_ids(query) == list(range(1, 301))


def test_a_deletion_from_a_list_that_changed_as_a_whole_is_noticed_at_once(
    lists: Lists, loaded: Load, elt: Elt, query: Query
) -> None:
    loaded(leads(10), users(3))
    lists["leads"].pop()
    assert elt("run").exit_code == 0
    assert lead_ids(query) == list(range(1, 10))


def test_a_first_sync_of_a_truncated_list_loads_what_was_found_and_fails(
    lists: Lists, api: ApiServer, elt: Elt, query: Query
) -> None:
    lists["leads"] = leads(300)
    api.fault = lambda request: reply([], request) if request.page > 1 else None
    assert elt("run").exit_code == 1
    outcome = elt("run")  # which is still the first sync
    assert outcome.exit_code == 1
    assert "leads could not be completed" in outcome.stderr
    assert "after 100 rows, twice" in outcome.stderr
    assert "lists at least 100 more" in outcome.stderr
    assert "nothing was deleted, built or published" in outcome.stderr
    assert len(lead_ids(query)) == 200
    api.fault = None
    assert elt("run").exit_code == 0
    assert len(lead_ids(query)) == 300


@pytest.mark.usefixtures("full_syncs")
def test_a_truncated_list_deletes_nothing_but_brings_its_changes(
    lists: Lists, api: ApiServer, loaded: Load, elt: Elt, query: Query
) -> None:
    loaded(leads(300), users(3))
    lists["leads"][0] = lead(1, -1, name="changed")
    api.fault = lambda request: (
        reply([], request)
        if request.page == 3 and request.params["sort_direction"] == "desc"
        else None
    )
    outcome = elt("run", "--json")
    assert outcome.exit_code == 1
    summary = json.loads(outcome.stdout)
    assert (summary["status"], summary["exit_code"]) == ("failed", 1)
    (problem,) = summary["problems"]
    assert "was loaded and published, and nothing was deleted" in problem
    assert problem in outcome.stderr
    assert lead_ids(query) == list(range(1, 301))
    assert query("select name from raw.leads where crmhero_user_id = 1") == [("changed",)]
    api.requests.clear()
    assert elt("run").exit_code == 0
    assert pages(api)["leads"] == [0], "the full sync is tried again in a day"


@pytest.mark.usefixtures("full_syncs")
def test_a_page_that_always_fails_does_not_keep_changes_out(
    lists: Lists, api: ApiServer, loaded: Load, elt: Elt, query: Query
) -> None:
    loaded(leads(300), users(60))
    lists["leads"][0] = lead(1, -1, name="changed")
    lists["users"].pop()
    api.fault = lambda request: (
        Reply.of_json({"error": {}}, 500)
        if (request.name, request.page) == ("leads", 4)
        and request.params["sort_direction"] == "desc"
        else None
    )
    outcome = elt("run")
    assert outcome.exit_code == 1
    assert "page 4 of leads (after the contact 200 and before the contact 251)" in outcome.stderr
    assert query("select name from raw.leads where crmhero_user_id = 1") == [("changed",)]
    assert lead_ids(query) == list(range(1, 301))
    assert query("select count(*) from raw.users") == [(59,)], "the other full sync is complete"
    assert elt("run").exit_code == 0


@pytest.mark.usefixtures("full_syncs")
def test_rows_that_change_places_within_one_last_update_record_no_deletions(
    lists: Lists, api: ApiServer, loaded: Load, elt: Elt, query: Query
) -> None:
    """Of 300 leads, 120 share one `last_update`, and each request shows them in another order."""
    tied = [lead(n, 100 if n <= 120 else n) for n in range(1, 301)]
    loaded(tied, users(3))
    lists["leads"].pop()
    requests = itertools.count(1)

    def unstable(request: ListRequest) -> Reply | None:
        if request.name == "users":
            return None
        turn = 37 * next(requests)
        rows = sorted(
            lists["leads"],
            key=lambda row: (row["last_update"], row["crmhero_user_id"] * turn % 127),
        )
        return reply(rows[::-1] if request.params["sort_direction"] == "desc" else rows, request)

    api.fault = unstable
    outcome = elt("run", "--json")
    assert outcome.exit_code == 0
    (warning,) = json.loads(outcome.stdout)["warnings"]
    assert "rows were listed on several pages, more than" in warning
    assert lead_ids(query) == list(range(1, 301))
    api.requests.clear()
    assert elt("run").exit_code == 0
    assert len(pages(api)["leads"]) < 12, "the full sync is tried again in a day"
    assert query("select leads_is_whole from raw.elt_runs order by started_at desc limit 1") == [
        (False,)
    ]


def of(project: Any, rows: list[Row]) -> list[Row]:
    return [{**row, "app_id": project} for row in rows]


def test_rows_of_another_customer_project_are_refused_before_anything_is_loaded(
    lists: Lists, loaded: Load, elt: Elt, query: Query
) -> None:
    loaded(of("4711", leads(60)), of("4711", users(3)))
    before = query("from raw.leads order by all")
    lists["leads"] = of("4712", [lead(1, -1, name="changed")]) + lists["leads"][1:]
    outcome = elt("run")
    assert outcome.exit_code == 2
    assert "'4711'" in outcome.stderr
    assert "'4712'" in outcome.stderr
    assert "--rebind" in outcome.stderr
    assert query("from raw.leads order by all") == before
    assert elt("run", "--rebind").exit_code == 2, "of two projects at once, one is another"
    lists["leads"], lists["users"] = of("4712", lists["leads"]), of("4712", lists["users"])
    assert elt("run", "--rebind").exit_code == 0
    assert mode(query) == "full"
    assert query("select distinct app_id from raw.leads union select app_id from raw.users") == [
        ("4712",)
    ]
    assert elt("run").exit_code == 0


def test_another_customer_project_is_accepted_for_both_lists(
    lists: Lists, loaded: Load, elt: Elt, query: Query
) -> None:
    """A cursor of one project says nothing about what changed in another."""
    loaded(of("4711", leads(60)), of("4711", users(60)))
    lists["leads"] = of("4712", lists["leads"])
    lists["users"] = of("4712", lists["users"])
    assert elt("run", "--rebind", "--resources", "leads").exit_code == 0
    assert elt("run").exit_code == 0
    assert query("select distinct app_id from raw.users") == [("4712",)]


def test_the_customer_project_of_a_warehouse_is_known_from_its_rows(
    lists: Lists, loaded: Load, elt: Elt, query: Query
) -> None:
    """A warehouse of a former release has not stored it."""
    loaded(leads(3), users(3))
    query_before = lead_ids(query)
    lists["users"] = of(4711, users(3))
    assert elt("run").exit_code == 0
    lists["users"], lists["leads"] = users(3), of(12, leads(3))
    assert elt("run").exit_code == 2
    assert lead_ids(query) == query_before


def test_a_field_keeps_its_column(
    lists: Lists, api: ApiServer, loaded: Load, elt: Elt, query: Query
) -> None:
    """Two fields whose names differ only in case, which come in another order later."""
    loaded([lead(1, 40, Plan="gold", plan="basic"), lead(2, 1)], [])
    lists["leads"].append(lead(3, -1, plan="new", Plan="platinum"))
    assert elt("run").exit_code == 0
    assert query("select plan, other_plan from raw.leads order by crmhero_user_id") == [
        ("gold", "basic"),
        (None, None),
        ("platinum", "new"),
    ]


def test_a_capped_page_size_is_a_warning(
    lists: Lists, api: ApiServer, elt: Elt, monkeypatch: pytest.MonkeyPatch, query: Query
) -> None:
    monkeypatch.setenv("SOURCES__ANALYTICS_API__PAGE_SIZE", "100")
    lists["leads"] = leads(300)
    api.fault = lambda request: (
        listing([leads(300)[n : n + 50] for n in range(0, 300, request.per_page)])(request)
        if request.params["sort_direction"] == "desc"
        else None
    )
    outcome = elt("run")
    assert outcome.exit_code == 0
    assert "warning: leads: the API did not send as many rows" in outcome.stdout
    assert "page_size = 50" in outcome.stdout
    assert lead_ids(query) == list(range(1, 301))
