"""Full reads: when they are made, what they remove, and what they refuse to remove."""

import json
import time
from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Any

import dlt
import pytest
from dlt.extract import storage

from extract import dbt_build, pipeline, state, warehouse
from extract.dbt_build import BuildResult
from extract.sandbox.server import ApiServer, Fault, ListRequest, Reply
from publish import publication
from tests.builders import Lists, Row, lead, leads, user, users
from tests.conftest import Elt, Query

pytestmark = pytest.mark.usefixtures("without_models")

DAYS = "ELT__FULL_READ_DAYS"
EACH_RUN = "0.0000001"  # days: an earlier run's full read is old


@pytest.fixture
def full_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make every run a full read."""
    monkeypatch.setenv(DAYS, EACH_RUN)


def ids(query: Query) -> list[int]:
    return [number for (number,) in query("select crmhero_user_id from raw.leads order by 1")]


def pages(api: ApiServer, before: int) -> dict[str, list[int]]:
    """Return the pages asked for since so many requests, by list."""
    asked: dict[str, list[int]] = {"leads": [], "users": []}
    for request in api.requests[before:]:
        asked[request.name].append(request.page)
    return asked


def mode(query: Query) -> str:
    ((newest,),) = query("select mode from raw.elt_runs order by started_at desc limit 1")
    return str(newest)


def while_reading(change: Callable[[], None], name: str, page: int, attempt: int = 1) -> Fault:
    """Return a fault that changes what is listed just before a page is answered."""

    def fault(request: ListRequest) -> Reply | None:
        if (request.name, request.page, request.attempt) == (name, page, attempt):
            change()
        return None

    return fault


def test_a_full_read_is_made_when_the_last_one_is_old(
    lists: Lists, api: ApiServer, elt: Elt, query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    lists["leads"], lists["users"] = leads(120), users(3)
    elt("run")
    del lists["leads"][100:]
    assert elt("run").exit_code == 0
    assert mode(query) == "incremental"
    assert len(ids(query)) == 120
    monkeypatch.setenv(DAYS, EACH_RUN)
    outcome = elt("run")
    assert outcome.exit_code == 0
    assert "20 rows of leads removed" in outcome.stdout
    assert mode(query) == "full"
    assert ids(query) == list(range(1, 101))
    monkeypatch.setenv(DAYS, "1")
    assert elt("run").exit_code == 0
    assert mode(query) == "incremental"


def test_a_full_read_is_made_once_a_week_by_itself(
    lists: Lists, api: ApiServer, elt: Elt, query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    lists["leads"], lists["users"] = leads(3), users(3)
    elt("run")
    modes = []
    for days in (6.9, 7.1):
        clock = SimpleNamespace(time=partial(sum, (time.time(), days * 86400)))
        monkeypatch.setattr(state, "time", clock)
        assert elt("run").exit_code == 0
        modes.append(mode(query))
    assert modes == ["incremental", "full"]


def test_no_full_read_is_made_by_itself_where_it_is_switched_off(
    lists: Lists, api: ApiServer, elt: Elt, query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    lists["leads"], lists["users"] = leads(3), users(3)
    monkeypatch.setenv(DAYS, "0")
    elt("run")
    monkeypatch.setattr(state, "time", SimpleNamespace(time=lambda: time.time() * 2))
    assert elt("run").exit_code == 0
    assert mode(query) == "incremental"


@pytest.mark.parametrize(
    ("name", "value"),
    [("FULL_READ_DAYS", "-1"), ("MAX_SHRINK", "1.5"), ("MAX_SHRINK", "nan"), ("MAX_SHRINK", "x")],
)
def test_a_setting_of_full_reads_that_cannot_work_is_named(
    api: ApiServer, elt: Elt, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(f"ELT__{name}", value)
    for command in ("run", "check"):
        outcome = elt(command)
        assert outcome.exit_code == 2
        assert name.lower() in outcome.stdout + outcome.stderr
    assert len(api.requests) == 1, "the check still tries the API"


@pytest.mark.usefixtures("full_reads")
def test_a_full_read_that_misses_nothing_reads_once(lists: Lists, api: ApiServer, elt: Elt) -> None:
    lists["leads"], lists["users"] = leads(120), users(3)
    elt("run")
    before = len(api.requests)
    lists["leads"].append(lead(500, -1))
    assert elt("run").exit_code == 0
    assert pages(api, before) == {"leads": [0, 1, 2, 3], "users": [0, 1]}


@pytest.mark.usefixtures("full_reads")
def test_a_row_that_one_of_two_reads_listed_stays(
    lists: Lists, api: ApiServer, elt: Elt, query: Query
) -> None:
    """Lead 10 is deleted between two pages: lead 51 moves to a page that was read already."""
    lists["leads"], lists["users"] = leads(120), users(3)
    elt("run")
    before = len(api.requests)

    def delete() -> None:
        del lists["leads"][9]

    api.fault = while_reading(delete, "leads", page=1, attempt=2)
    assert elt("run").exit_code == 0
    assert ids(query) == list(range(1, 121))
    assert pages(api, before)["leads"][:8] == [0, 1, 2, 3] * 2
    outcome = elt("run")
    assert "1 rows of leads removed" in outcome.stdout
    assert ids(query) == [n for n in range(1, 121) if n != 10]


@pytest.mark.usefixtures("full_reads")
def test_the_second_read_may_fail_and_then_nothing_is_loaded(
    lists: Lists, api: ApiServer, elt: Elt, query: Query
) -> None:
    lists["leads"], lists["users"] = leads(120), users(3)
    elt("run")
    before = query("select * from raw.leads order by all"), query("from raw._dlt_pipeline_state")
    lists["leads"][0]["name"] = "changed"
    lists["leads"].pop(70)
    attempts = {"leads page 1": 0}

    def fail_second(request: ListRequest) -> Reply | None:
        if (request.name, request.page) == ("leads", 1):
            attempts["leads page 1"] += 1
            if attempts["leads page 1"] == 2:
                return Reply.of_json({"error": {"message": "Try later."}})
        return None

    api.fault = fail_second
    assert elt("run").exit_code == 1
    assert attempts["leads page 1"] == 2
    after = query("select * from raw.leads order by all"), query("from raw._dlt_pipeline_state")
    assert after == before
    api.fault = None
    assert elt("run").exit_code == 0
    assert len(ids(query)) == 119


@pytest.mark.usefixtures("full_reads")
@pytest.mark.parametrize("page", [1, 2, 3])
def test_a_lead_that_signs_up_while_lists_are_read_is_no_deletion(
    lists: Lists, api: ApiServer, elt: Elt, query: Query, page: int
) -> None:
    """It left the page of leads that is read next, and users were read already."""
    lists["leads"], lists["users"] = leads(120), users(3)
    elt("run")
    lists["leads"].pop(99)  # makes the full read look twice
    leaving = lists["leads"][-1]["crmhero_user_id"]

    def sign_up() -> None:
        lists["leads"].pop()
        lists["users"].insert(0, user("new", leaving, -1, was_lead=1))

    api.fault = while_reading(sign_up, "leads", page=page, attempt=3)
    assert elt("run").exit_code == 0
    assert query("select user_id from raw.users where user_id = 'new'") == [("new",)]


@pytest.mark.usefixtures("full_reads")
def test_removals_come_in_one_transaction_over_both_tables(
    lists: Lists, api: ApiServer, elt: Elt, query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    lists["leads"], lists["users"] = leads(5), users(5)
    elt("run")
    lists["leads"], lists["users"] = leads(3), users(3)
    remove = warehouse.remove_unlisted

    def remove_and_fail(
        pipeline: dlt.Pipeline, load_ids: list[str], names: list[str]
    ) -> dict[str, int]:
        return remove(pipeline, load_ids, [*names, "no_such_table"])

    with monkeypatch.context() as broken:
        broken.setattr(warehouse, "remove_unlisted", remove_and_fail)
        assert elt("run").exit_code == 1
    assert len(ids(query)) == 5
    assert query("select count(*) from raw.users") == [(5,)]
    # what was begun is finished, even if no full read is made by itself
    monkeypatch.setenv(DAYS, "0")
    assert elt("run").exit_code == 0
    assert mode(query) == "full"
    assert len(ids(query)) == 3
    assert query("select count(*) from raw.users") == [(3,)]
    assert elt("run").exit_code == 0
    assert mode(query) == "incremental"


@pytest.mark.usefixtures("full_reads")
def test_a_full_read_of_one_list_removes_nothing_of_the_other(
    lists: Lists, api: ApiServer, elt: Elt, query: Query
) -> None:
    lists["leads"], lists["users"] = leads(3), users(3)
    elt("run")
    before = len(api.requests)
    lists["leads"], lists["users"] = leads(2), users(2)
    assert elt("run", "--resources", "leads").exit_code == 0
    assert ids(query) == [1, 2]
    assert query("select count(*) from raw.users") == [(3,)]
    assert pages(api, before) == {"leads": [0, 1] * 3, "users": [0, 1]}


@pytest.mark.parametrize("alone", [False, True])
def test_a_user_that_is_gone_does_not_leave_the_lead_that_it_was(
    lists: Lists,
    api: ApiServer,
    elt: Elt,
    query: Query,
    monkeypatch: pytest.MonkeyPatch,
    alone: bool,
) -> None:
    """Whether the run that finds it gone, by its full read of users, reads leads or not."""
    lists["leads"], lists["users"] = leads(6), users(3)
    elt("run")
    lists["leads"].pop(0)
    lists["users"].insert(0, user("was1", 1, -1))
    assert elt("run").exit_code == 0
    assert ids(query) == [1, 2, 3, 4, 5, 6], "a merge leaves the row of a lead that signed up"
    lists["users"].pop(0)
    if alone:
        with monkeypatch.context() as broken:  # what is owed survives a run that is cut off
            broken.setattr(pipeline, "_note", lambda *_: 1 / 0)
            assert elt("run", "--resources", "users", "--full-refresh").exit_code == 1
        assert elt("run", "--resources", "users").exit_code == 0
        assert query("select count(*) from raw.users") == [(3,)]
    else:  # users alone are due
        due = state.full_reads_due

        def full_reads_due(*arguments: Any) -> set[str]:
            return due(*arguments) | {"users"}

        monkeypatch.setattr(state, "full_reads_due", full_reads_due)
    assert elt("run").exit_code == 0
    assert ids(query) == [2, 3, 4, 5, 6]
    assert query("select count(*) from raw.users") == [(3,)]


@pytest.mark.usefixtures("full_reads")
def test_a_full_read_keeps_one_row_of_a_contact_that_shifting_pages_show_twice(
    lists: Lists, api: ApiServer, elt: Elt, query: Query
) -> None:
    lists["leads"] = leads(120)
    elt("run")
    lists["leads"] += leads(10)
    assert elt("run").exit_code == 0
    assert ids(query) == list(range(1, 121))


@pytest.mark.usefixtures("full_reads")
def test_rejected_rows_that_are_listed_no_more_go_too(
    lists: Lists, api: ApiServer, elt: Elt, query: Query
) -> None:
    lists["leads"] = [*leads(3), lead(None)]
    elt("run")
    assert query("select count(*) from raw.rejected_rows") == [(1,)]
    lists["leads"].pop()
    assert elt("run").exit_code == 0
    assert query("select count(*) from raw.rejected_rows") == [(0,)]


def test_a_full_read_keeps_the_cursor_for_the_next_run(
    lists: Lists, api: ApiServer, elt: Elt
) -> None:
    lists["leads"], lists["users"] = leads(120), users(120)
    elt("run")
    lists["leads"].pop()
    assert elt("run", "--full-refresh").exit_code == 0
    before = len(api.requests)
    assert elt("run").exit_code == 0
    assert pages(api, before) == {"leads": [0], "users": [0]}


def test_what_a_full_read_removed_is_noted(
    lists: Lists, api: ApiServer, elt: Elt, query: Query
) -> None:
    lists["leads"], lists["users"] = leads(5), users(5)
    elt("run")
    lists["leads"].pop()
    summary = json.loads(elt("run", "--full-refresh", "--json").stdout)
    assert summary["mode"] == "full"
    assert summary["tables"]["leads"]["rows_removed"] == 1
    assert query(
        "select leads_rows_removed, users_rows_removed from raw.elt_runs order by started_at"
    ) == [(0, 0), (1, 0)]
    # the rows of a run's loads lie between its id and that of the next run
    assert query(
        "select count(*) from raw.leads where _dlt_load_id < "
        "(select max(load_id) from raw.elt_runs)"
    ) == [(0,)]


@pytest.mark.usefixtures("full_reads")
def test_a_first_run_that_was_cut_off_makes_no_deletion_a_shrinkage(
    lists: Lists, api: ApiServer, elt: Elt, query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    lists["leads"] = leads(10)
    with monkeypatch.context() as broken:
        broken.setattr(warehouse, "remove_unlisted", lambda *_: 1 / 0)
        assert elt("run").exit_code == 1
    lists["leads"] = leads(9)
    assert elt("run").exit_code == 0
    assert len(ids(query)) == 9


def test_the_other_list_may_not_fall_empty_after_a_refused_run(
    lists: Lists, api: ApiServer, elt: Elt, query: Query
) -> None:
    lists["leads"], lists["users"] = leads(10), users(10)
    elt("run")
    lists["leads"] = []
    assert elt("run").exit_code == 1
    lists["leads"], lists["users"] = leads(10), []
    assert elt("run").exit_code == 1
    assert query("select count(*) from raw.users") == [(10,)]
    lists["users"] = users(10)
    assert elt("run").exit_code == 0


def shrink(lists: Lists, left: int) -> None:
    del lists["leads"][left:]


@pytest.mark.usefixtures("full_reads")
def test_a_list_may_lose_half_of_its_rows(
    lists: Lists, api: ApiServer, elt: Elt, query: Query
) -> None:
    lists["leads"] = leads(10)
    elt("run")
    shrink(lists, 5)
    assert elt("run").exit_code == 0
    assert ids(query) == [1, 2, 3, 4, 5]


@pytest.mark.usefixtures("full_reads")
@pytest.mark.parametrize("left", [0, 4])
def test_a_list_that_lost_more_removes_nothing_and_merges(
    lists: Lists,
    api: ApiServer,
    elt: Elt,
    query: Query,
    monkeypatch: pytest.MonkeyPatch,
    left: int,
) -> None:
    lists["leads"], lists["users"] = leads(10), users(10)
    elt("run")
    shrink(lists, left)
    lists["users"][0] = {**lists["users"][0], "name": "changed"}
    lists["users"].pop()
    built: list[Any] = []
    monkeypatch.setattr(dbt_build, "build", lambda *_: built.append(1))
    outcome = elt("run")
    assert outcome.exit_code == 1
    assert built == []
    assert f"held 10 rows, and {10 - left} rows in it" in outcome.stderr
    assert "--allow-shrink" in outcome.stderr
    assert "users" not in outcome.stderr
    assert len(ids(query)) == 10
    assert query("select count(*), count(name) from raw.users") == [(10, 1)]
    # it stays red as long as the API lists so little, whatever the schedule of full reads
    monkeypatch.setenv(DAYS, "0")
    assert elt("run").exit_code == 1
    failure = json.loads(elt("run", "--json").stdout)
    assert (failure["status"], failure["exit_code"]) == ("failed", 1)
    # and is whole again when the API is
    lists["leads"] = leads(11)
    monkeypatch.setattr(dbt_build, "build", lambda *_: BuildResult())
    monkeypatch.setattr(publication, "publish", lambda *_: None)
    assert elt("run").exit_code == 0
    assert ids(query) == list(range(1, 12))
    assert query("select count(*) from raw.users") == [(9,)]


@pytest.mark.parametrize("left", [0, 4])
def test_a_shrunk_list_is_accepted_by_name(
    lists: Lists, api: ApiServer, elt: Elt, query: Query, left: int
) -> None:
    lists["leads"], lists["users"] = leads(10), users(10)
    elt("run")
    shrink(lists, left)
    assert elt("run", "--allow-shrink").exit_code == 0
    assert len(ids(query)) == left
    assert elt("run").exit_code == 0


def test_the_share_is_a_setting(
    lists: Lists, api: ApiServer, elt: Elt, query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    lists["leads"] = leads(10)
    elt("run")
    shrink(lists, 8)
    monkeypatch.setenv("ELT__MAX_SHRINK", "0.1")
    assert elt("run", "--full-refresh").exit_code == 1
    monkeypatch.setenv("ELT__MAX_SHRINK", "0.2")
    assert elt("run", "--full-refresh").exit_code == 0
    assert len(ids(query)) == 8


@pytest.mark.parametrize(
    "listed",
    [[], [lead(n, -n) for n in range(1000, 1300)], [lead(2000, 500)], [lead(None)]],
    ids=["nothing", "another account", "another account, older", "no row with a key"],
)
def test_an_ordinary_run_that_meets_no_row_it_knows_is_a_full_read(
    lists: Lists, api: ApiServer, elt: Elt, query: Query, listed: list[Row]
) -> None:
    lists["leads"], lists["users"] = leads(120), users(3)
    elt("run")
    right, lists["leads"] = lists["leads"], listed
    outcome = elt("run")
    assert outcome.exit_code == 1
    assert "held 120 rows, and 120 rows in it" in outcome.stderr
    assert "--allow-shrink" in outcome.stderr
    assert set(range(1, 121)) <= set(ids(query))
    # a cursor that another account moved hides no change of the right one
    lists["leads"] = [{**right[100], "name": "changed"}, *right[:100], *right[101:]]
    assert elt("run", "--allow-shrink").exit_code == 0
    assert ids(query) == list(range(1, 121))
    assert query("select name from raw.leads where crmhero_user_id = 101") == [("changed",)]


@pytest.mark.parametrize("resources", [(), ("--resources", "users")])
def test_another_project_is_refused_as_often_as_it_is_read(
    lists: Lists, api: ApiServer, elt: Elt, query: Query, resources: tuple[str, ...]
) -> None:
    """What a refused run merges is no reason to accept it in the next."""
    lists["leads"], lists["users"] = leads(12), users(4)
    elt("run")
    ours = dict(lists)
    lists["leads"] = [lead(n, -n) for n in range(1000, 1030)]
    # users of the same ids, as each project gives them
    lists["users"] = [
        user(f"u{n}", 500_000 + n, -n, email=f"{n}@example.org") for n in range(1, 11)
    ]
    for _ in range(3):
        assert elt("run", *resources).exit_code == 1
    assert {(f"u{n}",) for n in range(1, 5)} <= set(query("select user_id from raw.users"))
    ours["users"].insert(0, user("u5", 100_005, -1))
    lists |= ours
    assert elt("run", "--allow-shrink").exit_code == 0
    assert ids(query) == list(range(1, 13))
    assert query("select user_id, email from raw.users order by 1") == [
        (f"u{n}", f"u{n}@example.com") for n in range(1, 6)
    ]


def test_a_rebind_does_not_accept_what_was_refused(
    lists: Lists, api: ApiServer, elt: Elt, query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    lists["leads"] = leads(12)
    elt("run")
    lists["leads"] = [lead(n, -n) for n in range(1000, 1030)]
    assert elt("run").exit_code == 1
    with ApiServer(lambda: lists, api.api_key) as moved:
        monkeypatch.setenv("SOURCES__ANALYTICS_API__BASE_URL", moved.url)
        assert elt("run", "--rebind").exit_code == 1
    assert set(range(1, 13)) <= set(ids(query))


def test_a_refused_run_moves_the_cursor_of_no_list(
    lists: Lists, api: ApiServer, elt: Elt, query: Query
) -> None:
    """The other project shares one user with ours, so its users do not look strange."""
    lists["leads"], lists["users"] = leads(12), users(4)
    elt("run")
    ours = dict(lists)
    lists["leads"] = [lead(n, -n) for n in range(1000, 1030)]
    lists["users"] = [user(f"x{n}", 9000 + n, -1000 - n) for n in range(30)] + users(1)
    assert elt("run", "--resources", "leads").exit_code == 1
    assert elt("run").exit_code == 1
    ours["users"].insert(0, user("new", 100_005, -1))
    lists |= ours
    # without the other project's rows to remove, too
    assert elt("run", "--resources", "users").exit_code == 1
    assert elt("run", "--allow-shrink").exit_code == 0
    assert query("select user_id from raw.users order by 1") == [
        ("new",), ("u1",), ("u2",), ("u3",), ("u4",),
    ]  # fmt: skip


@pytest.mark.usefixtures("full_reads")
def test_a_removal_that_was_cut_off_is_no_shrinkage_to_the_next_run(
    lists: Lists, api: ApiServer, elt: Elt, query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All that was not listed is then all that is left of older loads."""
    lists["leads"] = leads(10)
    elt("run")
    lists["leads"] = leads(7)
    with monkeypatch.context() as broken:
        broken.setattr(warehouse, "remove_unlisted", lambda *_: 1 / 0)
        assert elt("run").exit_code == 1
    assert elt("run").exit_code == 0
    assert len(ids(query)) == 7


@pytest.mark.usefixtures("full_reads")
def test_a_clock_that_steps_back_between_two_reads_removes_nothing_listed(
    lists: Lists, api: ApiServer, elt: Elt, query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    lists["leads"], lists["users"] = leads(120), users(3)
    elt("run")
    hidden = lists["leads"].pop(99)
    lists["leads"].pop(80)

    def step_back() -> None:
        lists["leads"].append(hidden)
        later = storage.create_load_id
        monkeypatch.setattr(storage, "create_load_id", lambda: str(float(later()) - 3600))

    api.fault = while_reading(step_back, "leads", page=2, attempt=2)
    assert elt("run").exit_code == 0
    assert hidden["crmhero_user_id"] in ids(query)
    assert len(ids(query)) == 119


def test_a_conversion_is_followed_where_users_were_never_read(
    lists: Lists, api: ApiServer, elt: Elt, query: Query
) -> None:
    lists["leads"] = leads(5)
    elt("run", "--resources", "leads")
    lists["leads"].pop()
    lists["users"] = [user("was5", 5, -1)]
    assert elt("run", "--resources", "leads", "--full-refresh").exit_code == 0
    assert ids(query) == [1, 2, 3, 4]
    assert query("select user_id from raw.users") == [("was5",)]


@pytest.mark.usefixtures("full_reads")
def test_a_rejected_row_counts_once_however_often_it_is_read(
    lists: Lists, api: ApiServer, elt: Elt
) -> None:
    lists["leads"] = [*leads(9), lead(None)]
    elt("run")
    lists["leads"].pop(0)
    summary = json.loads(elt("run", "--json").stdout)
    assert summary["tables"]["leads"]["rows_rejected"] == 1
    assert summary["tables"]["leads"]["rows_read"] == 27


def test_new_rows_alone_on_many_pages_are_no_shrinkage(
    lists: Lists, api: ApiServer, elt: Elt, query: Query
) -> None:
    """The page that ends the read shows rows that the warehouse holds, older than its cursor."""
    lists["leads"] = leads(120)
    elt("run")
    before = len(api.requests)
    lists["leads"] = [*(lead(n, -n) for n in range(500, 620)), *lists["leads"][30:]]
    assert elt("run").exit_code == 0
    assert mode(query) == "incremental"
    assert pages(api, before)["leads"] == [0, 1, 2]
    assert len(ids(query)) == 240


@pytest.mark.usefixtures("full_reads")
def test_conversions_and_new_e_mails_are_no_shrinkage(
    lists: Lists, api: ApiServer, elt: Elt, query: Query
) -> None:
    lists["leads"], lists["users"] = leads(4), users(4)
    elt("run")
    lists["users"] = [
        *({**row, "email": f"new-{row['email']}"} for row in users(4)),
        *(user(f"was{n}", n, -n, was_lead=1) for n in range(1, 5)),
    ]
    lists["leads"] = []
    assert elt("run").exit_code == 0
    assert ids(query) == []
    assert query("select count(*) from raw.users") == [(8,)]


def test_the_last_lead_may_sign_up_in_an_ordinary_run(
    lists: Lists, api: ApiServer, elt: Elt, query: Query
) -> None:
    lists["leads"], lists["users"] = leads(1), users(4)
    elt("run")
    lists["leads"] = []
    lists["users"].append(user("new", 1, -1))
    assert elt("run").exit_code == 0
    assert ids(query) == []
    assert query("select count(*) from raw.users") == [(5,)]


def test_a_table_without_rows_cannot_shrink(lists: Lists, api: ApiServer, elt: Elt) -> None:
    for _ in range(2):
        assert elt("run").exit_code == 0
        assert elt("run", "--full-refresh").exit_code == 0
    lists["leads"] = leads(2)
    assert elt("run").exit_code == 0
