"""Full syncs: when a run makes one, what it removes, and what it must not remove."""

import json
import time
from types import SimpleNamespace
from typing import Any

import pytest
from dlt.extract import storage

from extract import pipeline, state
from extract.sandbox.server import ApiServer, ListRequest, Reply
from tests.support.builders import Lists, Load, lead, leads, user, users
from tests.support.elt import Elt, Query
from tests.support.syncs import before_page, lead_ids, mode, pages

pytestmark = pytest.mark.usefixtures("without_models")


def test_a_full_sync_is_made_once_a_week_and_removes_what_is_no_longer_listed(
    lists: Lists,
    api: ApiServer,
    loaded: Load,
    elt: Elt,
    query: Query,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loaded(leads(120), users(3))
    del lists["leads"][100:]

    def run_after(days: float) -> str:
        clock = SimpleNamespace(time=lambda: time.time() + days * 86400)
        monkeypatch.setattr(state, "time", clock)
        outcome = elt("run")
        assert outcome.exit_code == 0
        return outcome.stdout

    run_after(6.9)
    assert mode(query) == "incremental"
    assert len(lead_ids(query)) == 120
    printed = run_after(7.1)
    assert "20 rows of leads removed" in printed
    assert "of users removed" not in printed
    assert mode(query) == "full"
    assert lead_ids(query) == list(range(1, 101))
    api.requests.clear()
    run_after(0.1)
    assert mode(query) == "incremental"
    assert pages(api)["leads"] == [0], "the full sync left a cursor"


@pytest.mark.usefixtures("full_syncs")
def test_a_full_sync_that_misses_nothing_reads_once(
    lists: Lists, api: ApiServer, loaded: Load, elt: Elt
) -> None:
    loaded(leads(120), users(3))
    lists["leads"].append(lead(500, -1))
    assert elt("run").exit_code == 0
    assert pages(api) == {"leads": [0, 1, 2, 3], "users": [0, 1]}


@pytest.mark.usefixtures("full_syncs")
def test_a_row_that_one_of_two_syncs_listed_stays(
    lists: Lists, api: ApiServer, loaded: Load, elt: Elt, query: Query
) -> None:
    """Lead 10 is deleted between two pages: lead 101 moves to a page that was read already."""
    loaded(leads(200), users(3))

    def delete() -> None:
        del lists["leads"][9]

    api.fault = before_page(delete, "leads", page=2)
    outcome = elt("run")
    assert outcome.exit_code == 0
    assert "removed" not in outcome.stdout
    assert lead_ids(query) == list(range(1, 201))
    assert pages(api)["leads"][:10] == [0, 1, 2, 3, 4] * 2
    # the ids of a run's loads lie between its own and that of the next run
    older = "_dlt_load_id < (select max(load_id) from raw.elt_runs)"
    assert query(f"select count(*) from raw.leads where {older}") == [(0,)]


@pytest.mark.usefixtures("full_syncs")
def test_a_second_listing_that_fails_deletes_nothing_and_is_tried_again_in_a_day(
    lists: Lists,
    api: ApiServer,
    loaded: Load,
    elt: Elt,
    query: Query,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loaded(leads(120), users(3))
    lists["leads"][0] = lead(1, -1, name="changed")
    lists["leads"].pop(70)

    def fail(request: ListRequest) -> Reply | None:
        if (request.name, request.page, request.attempt) == ("leads", 1, 2):
            return Reply.of_json({"error": {"message": "Try later."}})
        return None

    api.fault = fail
    outcome = elt("run")
    assert outcome.exit_code == 1
    assert (
        "The full sync of leads could not be completed: page 1 of leads (after the contact 50 and "
        "before the contact 102) cannot be read. " in outcome.stderr
    )
    assert "Try later." in outcome.stderr
    assert len(lead_ids(query)) == 120
    assert query("select name from raw.leads where crmhero_user_id = 1") == [("changed",)]
    assert elt("run").exit_code == 0
    assert len(lead_ids(query)) == 120
    clock = SimpleNamespace(time=lambda: time.time() + 86400)
    monkeypatch.setattr(state, "time", clock)
    assert elt("run").exit_code == 0
    assert len(lead_ids(query)) == 119


@pytest.mark.usefixtures("full_syncs")
def test_a_lead_that_signs_up_during_a_full_sync_is_not_lost(
    lists: Lists, api: ApiServer, loaded: Load, elt: Elt, query: Query
) -> None:
    """It leaves a page of leads before that is read a second time; users were read already."""
    loaded(leads(120), users(3))
    lists["leads"].pop(99)  # makes the full sync read a second time
    leaving = lists["leads"][-1]["crmhero_user_id"]

    def sign_up() -> None:
        lists["leads"].pop()
        lists["users"].insert(0, user("new", leaving, -1, was_lead=1))

    api.fault = before_page(sign_up, "leads", page=1, attempt=2)
    assert elt("run").exit_code == 0
    assert leaving in lead_ids(query)
    assert query("select user_id from raw.users where user_id = 'new'") == [("new",)]


@pytest.mark.usefixtures("full_syncs")
def test_a_full_sync_of_one_resource_removes_nothing_of_the_other(
    lists: Lists, api: ApiServer, loaded: Load, elt: Elt, query: Query
) -> None:
    loaded(leads(10), users(10))
    del lists["leads"][9:], lists["users"][9:]
    summary = json.loads(elt("run", "--resources", "leads", "--json").stdout)
    assert summary["mode"] == "full"
    assert summary["tables"]["leads"]["rows_removed"] == 1
    assert lead_ids(query) == list(range(1, 10))
    assert query("select count(*) from raw.users") == [(10,)]
    # the newest users are read once more: a lead that signed up in between is there
    assert pages(api) == {"leads": [0, 1] * 3, "users": [0, 1]}
    assert query(
        "select leads_rows_removed, users_rows_removed, leads_is_whole, users_is_whole "
        "from raw.elt_runs order by started_at"
    ) == [(0, 0, True, True), (1, 0, True, False)]


@pytest.mark.parametrize("is_alone", [False, True])
def test_a_user_that_is_gone_leaves_no_row_of_the_lead_that_it_was(
    lists: Lists,
    loaded: Load,
    elt: Elt,
    query: Query,
    monkeypatch: pytest.MonkeyPatch,
    is_alone: bool,
) -> None:
    """Whether the run whose full sync of users finds it gone reads leads or not."""
    loaded(leads(6), [user("was1", 1, -1), *users(3)])
    lists["leads"].pop(0)
    lists["users"].pop(0)
    if is_alone:
        with monkeypatch.context() as broken:  # what is due survives a run that is cut off
            broken.setattr(pipeline, "_note", lambda *_: 1 / 0)
            assert elt("run", "--resources", "users", "--full-refresh").exit_code == 1
        assert elt("run", "--resources", "users").exit_code == 0
        assert query("select count(*) from raw.users") == [(3,)]
    else:  # only the full sync of users is due
        due = state.full_reads_due

        def full_reads_due(*arguments: Any) -> set[str]:
            return due(*arguments) | {"users"}

        monkeypatch.setattr(state, "full_reads_due", full_reads_due)
    assert lead_ids(query) == [1, 2, 3, 4, 5, 6]
    assert elt("run").exit_code == 0
    assert lead_ids(query) == [2, 3, 4, 5, 6]
    assert query("select count(*) from raw.users") == [(3,)]


@pytest.mark.usefixtures("full_syncs")
def test_a_full_sync_keeps_one_row_of_a_contact_that_shifting_pages_show_twice(
    lists: Lists, loaded: Load, elt: Elt, query: Query
) -> None:
    loaded(leads(120), users(3))
    lists["leads"] += leads(10)
    assert elt("run").exit_code == 0
    assert lead_ids(query) == list(range(1, 121))


@pytest.mark.usefixtures("full_syncs")
def test_rejected_rows_count_once_a_run_and_are_removed_when_no_longer_listed(
    lists: Lists, loaded: Load, elt: Elt, query: Query
) -> None:
    loaded([*leads(9), lead(None, name="stays"), lead(None, name="goes")], [])
    assert query("select count(*) from raw.rejected_rows") == [(2,)]
    lists["leads"].pop()
    lists["leads"].pop(0)  # makes the full sync read two more times
    summary = json.loads(elt("run", "--json").stdout)
    assert summary["tables"]["leads"]["rows_rejected"] == 1
    assert summary["tables"]["leads"]["rows_read"] == 3 * 9
    assert query("select row_json ->> 'name' from raw.rejected_rows") == [("stays",)]


@pytest.mark.usefixtures("full_syncs")
def test_a_clock_that_steps_back_between_two_syncs_removes_nothing_that_is_listed(
    lists: Lists,
    api: ApiServer,
    loaded: Load,
    elt: Elt,
    query: Query,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loaded(leads(120), users(3))
    hidden = lists["leads"].pop(99)
    lists["leads"].pop(80)

    def step_back() -> None:
        lists["leads"].append(hidden)
        later = storage.create_load_id
        monkeypatch.setattr(storage, "create_load_id", lambda: str(float(later()) - 3600))

    api.fault = before_page(step_back, "leads", page=2)
    assert elt("run").exit_code == 0
    assert hidden["crmhero_user_id"] in lead_ids(query)
    assert len(lead_ids(query)) == 119


def test_a_conversion_is_followed_where_users_were_never_read(
    lists: Lists, api: ApiServer, elt: Elt, query: Query
) -> None:
    lists["leads"] = leads(5)
    assert elt("run", "--resources", "leads").exit_code == 0
    lists["leads"].pop()
    lists["users"] = [user("was5", 5, -1)]
    assert elt("run", "--resources", "leads", "--full-refresh").exit_code == 0
    assert lead_ids(query) == [1, 2, 3, 4]
    assert query("select user_id from raw.users") == [("was5",)]
