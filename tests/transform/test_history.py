"""History: what was is kept with the time it was noticed, and nothing wrong enters it."""

import json
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from extract.sandbox.server import ApiServer
from tests.builders import Lists, lead, leads, user, users
from tests.conftest import Elt, Query

VERSIONS = (
    "select email, contact_stage, dbt_is_deleted, dbt_valid_to is null "
    "from snapshots.snap_contacts where contact_id = '{}' order by dbt_valid_from, dbt_valid_to"
)


def test_a_removed_contact_leaves_the_marts_and_stays_in_history(
    lists: Lists, api: ApiServer, elt: Elt, query: Query
) -> None:
    lists["leads"], lists["users"] = leads(4), users(4)
    assert elt("run").exit_code == 0
    # lead 1 signs up, lead 2 and user 4 are deleted, user 1 has a new e-mail
    lists["leads"] = leads(4)[2:]
    lists["users"] = [
        user("was1", 1, -1, was_lead=1),
        user("u1", 100_001, -2, email="new@example.com"),
        *users(3)[1:],
    ]
    noticed = datetime.now(UTC).replace(tzinfo=None)
    outcome = elt("run", "--full-refresh")
    assert outcome.exit_code == 0
    assert query("select contact_id from marts.dim_contacts order by 1") == [
        ("1",), ("100001",), ("100002",), ("100003",), ("3",), ("4",),
    ]  # fmt: skip
    assert query("select contact_id from marts.dim_leads order by 1") == [("1",), ("3",), ("4",)]
    assert query("select user_id from marts.dim_users order by 1") == [
        ("u1",), ("u2",), ("u3",), ("was1",),
    ]  # fmt: skip
    assert query(VERSIONS.format("2")) == [
        ("lead2@example.com", "lead", "False", False),
        ("lead2@example.com", "lead", "True", True),
    ]
    assert query(VERSIONS.format("1")) == [
        ("lead1@example.com", "lead", "False", False),
        ("was1@example.com", "converted_user", "False", True),
    ]
    assert query(VERSIONS.format("100001")) == [
        ("u1@example.com", "direct_user", "False", False),
        ("new@example.com", "direct_user", "False", True),
    ]
    ((first,),) = query(
        "select min(dbt_valid_from) from snapshots.snap_contacts where dbt_is_deleted = 'True'"
    )
    assert first >= noticed
    # it comes back
    lists["leads"].append(lead(2, -5))
    assert elt("run").exit_code == 0
    assert query(VERSIONS.format("2"))[2:] == [("lead2@example.com", "lead", "False", True)]


def test_a_user_whose_id_as_a_contact_comes_and_goes_was_not_deleted(
    lists: Lists, api: ApiServer, elt: Elt, query: Query
) -> None:
    lists["users"] = [*users(3), user("late", None), user("gone", 9)]
    assert elt("run").exit_code == 0
    seen = "select user_id, signed_up_at, first_contact_at from marts.dim_users order by 1"
    before = query(seen)
    lists["users"] = [*users(3), user("late", 8, -1), user("gone", None, -2)]
    assert elt("run").exit_code == 0
    lists["users"].pop()
    assert elt("run", "--full-refresh").exit_code == 0
    assert query(
        "select user_id, contact_id, change_type, next_contact_id, deleted_at is null "
        "from marts.fct_contact_changes where user_id in ('late', 'gone') order by all"
    ) == [
        ("gone", "9", "first_seen", None, True),
        ("gone", "9", "renumbered", "user:gone", True),
        ("gone", "user:gone", "deleted", None, False),
        ("gone", "user:gone", "first_seen", None, True),
        ("late", "8", "first_seen", None, True),
        ("late", "user:late", "first_seen", None, True),
        ("late", "user:late", "renumbered", "8", True),
    ]
    assert query(seen) == [row for row in before if row[0] != "gone"]
    assert query("select sum(deletions) from marts.fct_contacts_daily") == [(1,)]


def test_the_past_stays_when_a_lead_signs_up(
    lists: Lists, api: ApiServer, elt: Elt, query: Query
) -> None:
    """The row of a user need not have the lead's first visit, nor a date of its own."""
    lists["leads"] = [lead(1, first_seen_at=1767225600), lead(2)]
    assert elt("run").exit_code == 0
    lists["leads"].pop(0)
    lists["users"] = [user("a", 1, -1, nps_vote=9)]
    assert elt("run").exit_code == 0
    ((finished,),) = query("select finished_at from marts.fct_loads where is_latest")
    ((first, converted, has_date, days),) = query(
        "select first_contact_at, converted_at, has_signup_date, days_to_convert "
        "from marts.fct_lead_conversions"
    )
    assert (first, converted, has_date) == (datetime(2026, 1, 1), finished, False)
    assert days == (finished.date() - first.date()).days
    assert query("select nps_voted_at from marts.dim_users") == [(datetime(2026, 6, 1, 12, 1),)]


def test_a_visit_makes_no_version(lists: Lists, api: ApiServer, elt: Elt, query: Query) -> None:
    lists["leads"] = [lead(1), lead(2)]
    elt("run")
    lists["leads"][0] |= {"last_activity": 1780000000, "browser_name": "Other", "city": "Rome"}
    assert elt("run", "--full-refresh").exit_code == 0
    assert query("select count(*) from snapshots.snap_contacts") == [(2,)]


def test_bad_data_does_not_enter_history(
    lists: Lists, api: ApiServer, elt: Elt, query: Query, data_dir: Path
) -> None:
    lists["leads"] = [*leads(2), lead(3, 100)]
    assert elt("run").exit_code == 0
    before = query("from snapshots.snap_contacts order by all"), query("from marts.dim_contacts")
    with duckdb.connect(str(data_dir / "warehouse.duckdb")) as warehouse:
        warehouse.execute("insert into raw.leads select * from raw.leads where crmhero_user_id = 3")
    lists["leads"].append(lead(4, -1))
    outcome = elt("run")
    assert outcome.exit_code == 1
    assert "unique_analytics_api_leads_crmhero_user_id" in outcome.stdout
    after = query("from snapshots.snap_contacts order by all"), query("from marts.dim_contacts")
    assert after == before


def test_every_test_that_blocks_comes_before_history(sandbox_folder: Path) -> None:
    """But those of what reads history, or says nothing of who is a contact."""
    manifest = json.loads((sandbox_folder / "dbt" / "manifest.json").read_text())
    snapshot = "snapshot.contacts.snap_contacts"
    before, after = (reached(manifest[m], snapshot) for m in ("parent_map", "child_map"))
    others = {
        *("source.contacts.analytics_api.elt_runs", "source.contacts.analytics_api.rejected_rows"),
        *("model.contacts.stg_analytics_api__elt_runs", "model.contacts.fct_loads"),
        "model.contacts.fct_contact_attributes",
    }
    blocking = {
        test["name"]: set(test["depends_on"]["nodes"])
        for test in manifest["nodes"].values()
        if test["resource_type"] == "test" and test["config"]["severity"].lower() == "error"
    }
    early = {name for name, nodes in blocking.items() if nodes <= before}
    late = {name for name, nodes in blocking.items() if nodes & (after | others)}
    assert early | late == set(blocking)
    assert not early & late
    assert {
        "source_unique_analytics_api_leads_crmhero_user_id",
        "source_unique_combination_analytics_api_users_user_id__email",
        "unique_int_contacts_resolved_contact_id",
        "unique_int_contacts_resolved_user_id",
        "assert_no_contact_is_lost_or_invented",
    } <= early


def reached(neighbours: dict[str, list[str]], start: str) -> set[str]:
    """Return all nodes that can be reached from one."""
    found: set[str] = set()
    following = [start]
    while following:
        node = following.pop()
        found.add(node)
        following += set(neighbours.get(node, [])) - found
    return found
