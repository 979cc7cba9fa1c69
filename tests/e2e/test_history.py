"""Contacts through five complete runs: what was is remembered, and nothing wrong enters history."""

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.support import templates
from tests.support.builders import NEWEST
from tests.support.dbt import results
from tests.support.elt import API_KEY
from tests.support.history import UNCHANGED, History, make_history

pytestmark = pytest.mark.xdist_group("history")

UNREADABLE = (
    "dates_of_leads_are_readable",
    "dates_of_users_are_readable",
    "flags_and_numbers_of_leads_are_readable",
    "flags_and_numbers_of_users_are_readable",
)


@pytest.fixture(scope="module")
def history(shared_folder: Path, parsed_project: Path) -> History:
    """What `tests.support.history` records, made once for all test workers."""
    made = templates.made_once(
        shared_folder / "history", lambda folder: make_history(folder, parsed_project)
    )
    return History(made)


def versions(history: History, run: int, contact_id: str) -> list[tuple[Any, ...]]:
    return history.rows(
        run,
        "select email, contact_stage, dbt_is_deleted, dbt_valid_to is null "
        f"from snapshots.snap_contacts where contact_id = '{contact_id}' "
        "order by dbt_valid_from, dbt_valid_to",
    )


def finished_at(history: History, run: int) -> datetime:
    """Return when a run had loaded."""
    ((timestamp,),) = history.rows(run, "select finished_at from marts.fct_loads where is_latest")
    assert isinstance(timestamp, datetime)
    return timestamp


@pytest.mark.parametrize("run", [1, 2, 3, 4])
def test_a_run_that_only_warns_ends_well(history: History, run: int) -> None:
    ended = history.run(run)
    assert (ended.exit_code, ended.stderr) == (0, "")
    assert " 0 failed" in ended.stdout
    assert "published: " in ended.stdout


@pytest.mark.parametrize("run", [1, 2, 3, 4])
def test_each_contact_is_one_row_through_conversion_rename_and_late_id(
    history: History, run: int
) -> None:
    first = [
        ("1", "lead1@example.com", "lead"),
        ("10", "a@example.com", "direct_user"),
        ("11", "c@example.com", "converted_user"),
        ("2", "lead2@example.com", "lead"),
        ("user:b", "b@example.com", "direct_user"),
        ("user:d", "d@example.com", "direct_user"),
    ]
    later = [
        ("1", "e@example.com", "converted_user"),
        ("10", "new@example.com", "direct_user"),
        ("11", "c@example.com", "converted_user"),
        ("12", "b@example.com", "direct_user"),
        ("2", "lead2@example.com", "lead"),
        ("3", "lead3@example.com", "lead"),
    ]
    after_run = {1: first, 2: [*later, first[-1]], 3: later, 4: later}
    contacts = history.rows(
        run,
        "select contact_id, email, contact_stage from marts.dim_contacts "
        "where contact_id in ('1', '2', '3', '10', '11', '12', 'user:b', 'user:d') order by all",
    )
    assert contacts == after_run[run]


def test_former_rows_stay_in_raw_until_a_full_sync(history: History) -> None:
    leads = "select count(*) from raw.leads where crmhero_user_id in (1, 2, 3)"
    users = "select count(*) from raw.users where user_id in ('a', 'b', 'c', 'd', 'e')"
    assert [history.rows(run, leads) for run in (2, 3)] == [[(3,)], [(2,)]]
    assert [history.rows(run, users) for run in (2, 3)] == [[(6,)], [(4,)]]


@pytest.mark.parametrize("run", [2, 3])
def test_that_a_user_was_a_lead_is_remembered(history: History, run: int) -> None:
    """Run 2 still has the lead's row in raw, run 3 has not."""
    assert history.rows(
        run,
        "select contact_id, is_converted from marts.dim_leads "
        "where contact_id in ('1', '2', '3', '11') order by all",
    ) == [("1", True), ("11", True), ("2", False), ("3", False)]
    assert history.rows(
        run,
        "select user_id, email from marts.dim_users "
        "where user_id in ('a', 'b', 'c', 'e') order by all",
    ) == [
        ("a", "new@example.com"),
        ("b", "b@example.com"),
        ("c", "c@example.com"),
        ("e", "e@example.com"),
    ]


def test_a_removed_contact_leaves_the_marts_and_stays_in_history(history: History) -> None:
    ids = "('21', '22', '24', '25')"
    assert history.rows(
        3, f"select contact_id from marts.dim_contacts where contact_id in {ids} order by all"
    ) == [("21",), ("25",)]
    assert history.rows(
        3, f"select contact_id from marts.dim_leads where contact_id in {ids} order by all"
    ) == [("21",)]
    assert history.rows(
        3, f"select user_id from marts.dim_users where contact_id in {ids} order by all"
    ) == [("u25",), ("was21",)]
    assert versions(history, 3, "22") == [
        ("lead22@example.com", "lead", "False", False),
        ("lead22@example.com", "lead", "True", True),
    ]
    assert versions(history, 3, "21") == [
        ("lead21@example.com", "lead", "False", False),
        ("was21@example.com", "converted_user", "False", True),
    ]
    assert versions(history, 3, "25") == [
        ("u25@example.com", "direct_user", "False", False),
        ("new25@example.com", "direct_user", "False", True),
    ]
    ((noticed,),) = history.rows(
        3,
        "select dbt_valid_from from snapshots.snap_contacts "
        "where contact_id = '22' and dbt_is_deleted = 'True'",
    )
    assert history.run(3).was_at(noticed)


def test_a_contact_that_comes_back_gets_another_version(history: History) -> None:
    assert versions(history, 4, "22") == [
        ("lead22@example.com", "lead", "False", False),
        ("lead22@example.com", "lead", "True", False),
        ("lead22@example.com", "lead", "False", True),
    ]


def test_a_user_whose_id_as_a_contact_comes_and_goes_was_not_deleted(history: History) -> None:
    assert history.rows(
        3,
        "select user_id, contact_id, change_type, next_contact_id, deleted_at is null "
        "from marts.fct_contact_changes where user_id in ('late', 'gone') order by all",
    ) == [
        ("gone", "59", "first_seen", None, True),
        ("gone", "59", "renumbered", "user:gone", True),
        ("gone", "user:gone", "deleted", None, False),
        ("gone", "user:gone", "first_seen", None, True),
        ("late", "58", "first_seen", None, True),
        ("late", "user:late", "first_seen", None, True),
        ("late", "user:late", "renumbered", "58", True),
    ]
    seen = (
        "select user_id, signed_up_at, first_contact_at from marts.dim_users "
        "where user_id in ('late', 'gone') order by all"
    )
    assert [user_id for user_id, *_ in history.rows(1, seen)] == ["gone", "late"]
    assert history.rows(2, seen) == history.rows(1, seen)
    assert history.rows(3, seen) == history.rows(1, seen)[1:]


def test_deletions_are_counted_on_the_day_of_the_run_that_noticed_them(history: History) -> None:
    deleted = "select contact_id from marts.fct_contact_changes where deleted_at is not null"
    assert history.rows(2, deleted) == []
    assert sorted(history.rows(3, deleted)) == [("22",), ("24",), ("user:d",), ("user:gone",)]
    days = "select date_day, deletions from marts.fct_contacts_daily where deletions > 0"
    assert history.rows(3, days) == [(finished_at(history, 3).date(), 4)]


def test_the_past_stays_when_a_lead_signs_up(history: History) -> None:
    """The user's row need not have the lead's first visit, nor a date of its own."""
    finished = finished_at(history, 2)
    ((first, converted, has_date, days),) = history.rows(
        2,
        "select first_contact_at, converted_at, has_signup_date, days_to_convert "
        "from marts.fct_lead_conversions where contact_id = '30'",
    )
    assert (first, converted, has_date) == (datetime(2026, 1, 1), finished, False)
    assert days == (finished.date() - first.date()).days


def test_a_vote_is_of_the_run_that_noticed_it_or_at_first_of_the_last_update(
    history: History,
) -> None:
    """When users are first loaded, their votes may be old."""
    votes = "select user_id, nps_voted_at from marts.dim_users where nps_vote = 9 order by all"
    last_update = NEWEST.replace(hour=11, tzinfo=None)
    assert history.rows(1, votes) == [("voter", last_update)]
    assert history.rows(3, votes) == [("a30", finished_at(history, 2)), ("voter", last_update)]


def test_a_visit_makes_no_version(history: History) -> None:
    visited = "select city from marts.dim_contacts where contact_id = '40'"
    assert [history.rows(run, visited) for run in (2, 3)] == [[(None,)], [("Rome",)]]
    assert versions(history, 4, "40") == [("lead40@example.com", "lead", "False", True)]


def test_runs_without_a_change_change_no_contact(history: History) -> None:
    """Rows without a date are loaded by every run that meets them; that makes them no newer."""
    ids = [*map(str, UNCHANGED), "201", "202"]
    contacts = (
        "select * exclude (loaded_at) from marts.dim_contacts "
        f"where contact_id in {tuple(ids)} order by all"
    )
    first = history.rows(1, contacts)
    assert len(first) == len(ids)
    assert [history.rows(run, contacts) for run in (2, 3, 4)] == [first] * 3
    assert history.rows(
        4,
        "select contact_id, user_id from marts.dim_contacts "
        "where contact_id in ('201', '202') order by all",
    ) == [("201", "x"), ("202", "w")]
    assert history.rows(
        4,
        "select count(distinct contact_id), count(*) from snapshots.snap_contacts "
        f"where contact_id in {tuple(ids)}",
    ) == [(len(ids), len(ids))]


@pytest.mark.parametrize("run", [1, 2, 3, 4])
def test_the_times_of_a_run_are_utc_whatever_the_time_zone_of_the_machine(
    history: History, run: int
) -> None:
    ((started, finished, loaded, noticed),) = history.rows(
        run,
        "select max(started_at), max(finished_at),"
        " (select max(loaded_at) from marts.dim_contacts),"
        " (select max(changed_at) from marts.fct_contact_changes)"
        " from marts.fct_loads",
    )
    assert noticed == finished
    builds = "select distinct dbt_valid_from from snapshots.{} order by 1"
    built = [timestamp for (timestamp,) in history.rows(run, builds.format("snap_contacts"))]
    first_lead, *_ = history.rows(run, builds.format("snap_lead_ids"))
    ended = [
        timestamp
        for (timestamp,) in history.rows(
            run,
            "select distinct dbt_valid_to from snapshots.snap_contacts where dbt_valid_to > '-inf'",
        )
    ]
    assert len(built) == run
    for timestamp in (started, finished, loaded, built[-1]):
        assert history.run(run).was_at(timestamp), timestamp
    assert history.run(1).was_at(first_lead[0])
    assert set(ended) <= set(built)


def test_unexpected_rows_warn_and_what_a_test_found_is_stored(history: History) -> None:
    ended = history.run(4)
    assert " 6 warned, 0 failed" in ended.stdout
    for name in (*UNREADABLE, "assert_no_row_was_rejected", "assert_no_contact_has_two_accounts"):
        assert f"warning: {name}: Got " in ended.stdout
        assert f'select * from "warehouse"."audit"."{name}"' in ended.stdout
        ((stored,),) = history.rows(4, f"select count(*) from audit.{name}")
        assert stored > 0


def test_damaged_raw_tables_fail_the_intended_tests_alone(history: History) -> None:
    intended = {
        "source_unique_analytics_api_leads_crmhero_user_id",
        "source_unique_combination_analytics_api_users_user_id__email",
        "source_unique_analytics_api_elt_runs_load_id",
    }
    ended = history.run(5)
    assert ended.exit_code == 1
    assert ended.stderr.count("\n") == 1
    outcome = results(history.data / "dbt")
    assert {name for name, node in outcome.items() if node["status"] == "fail"} == intended
    for name in intended:
        assert f"failed: {name}" in ended.stdout
        assert name in ended.stderr
        assert history.rows(5, f"select count(*) from audit.{name}") == [(1,)]


def test_bad_data_reaches_neither_history_nor_marts(history: History) -> None:
    outcome = results(history.data / "dbt")
    assert outcome["snap_contacts"]["status"] == "skipped"
    assert outcome["dim_contacts"]["status"] == "skipped"
    loaded = "select crmhero_user_id from raw.leads where crmhero_user_id = 23"
    assert (history.rows(4, loaded), history.rows(5, loaded)) == ([], [(23,)])
    tables = history.rows(
        4,
        "select schema_name || '.' || table_name from duckdb_tables() "
        "where schema_name in ('marts', 'snapshots')",
    )
    assert len(tables) == 14 + 2
    for (table,) in tables:
        content = f"select count(*), sum(hash(content)) from {table} as content"
        assert history.rows(5, content) == history.rows(4, content), table


def test_complete_runs_write_the_api_key_nowhere(history: History) -> None:
    files = [path for path in history.data.rglob("*") if path.is_file()]
    assert len(files) > 20
    assert not [path for path in files if API_KEY.encode() in path.read_bytes()]
