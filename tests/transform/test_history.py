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
