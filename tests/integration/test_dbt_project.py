"""The dbt project as `elt run` builds it: what is in the warehouse, and what is tested before what.

All of it is read from the artifacts and the warehouse of a complete run on the sandbox.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dlt
import duckdb
import pytest

from tests.support.dbt import results

SCHEMAS = {"raw", "raw_staging", "staging", "intermediate", "marts", "snapshots", "audit"}


@pytest.fixture
def warehouse(sandbox_folder: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    path = str(sandbox_folder / "warehouse.duckdb")
    with duckdb.connect(path, read_only=True) as connection:
        yield connection


@pytest.fixture
def manifest(sandbox_folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((sandbox_folder / "dbt" / "manifest.json").read_text())
    return content


def test_the_warehouse_has_the_named_schemas_and_no_other(
    warehouse: duckdb.DuckDBPyConnection,
) -> None:
    found = warehouse.sql(
        "select distinct table_schema from information_schema.tables "
        "where table_catalog = 'warehouse'"
    ).fetchall()
    assert {schema for (schema,) in found} == SCHEMAS


def test_no_timestamp_from_staging_on_has_a_time_zone(
    warehouse: duckdb.DuckDBPyConnection,
) -> None:
    types = warehouse.sql(
        "select distinct data_type from information_schema.columns "
        "where table_schema in ('staging', 'intermediate', 'marts', 'snapshots')"
    ).fetchall()
    assert ("TIMESTAMP",) in types
    assert not [data_type for (data_type,) in types if "TIME ZONE" in data_type]


def test_marts_of_the_sandbox_add_up(warehouse: duckdb.DuckDBPyConnection) -> None:
    ((contacts, users, open_leads, converted_leads, converted_users),) = warehouse.sql(
        "select (select count(*) from marts.dim_contacts),"
        " (select count(*) from marts.dim_users),"
        " (select count(*) from marts.dim_leads where not is_converted),"
        " (select count(*) from marts.dim_leads where is_converted),"
        " (select count(*) from marts.dim_users where is_converted)"
    ).fetchall()
    assert contacts == users + open_leads
    assert converted_leads == converted_users
    assert 2500 < contacts < 20_000
    assert 0 < converted_users < users


def test_descriptions_reach_the_warehouse(warehouse: duckdb.DuckDBPyConnection) -> None:
    assert warehouse.sql(
        "select schema_name, count(*) = count(comment) from duckdb_columns() "
        "where database_name = 'warehouse' and schema_name in "
        "('staging', 'intermediate', 'marts', 'snapshots') group by all order by all"
    ).fetchall() == [
        ("intermediate", True),
        ("marts", True),
        ("snapshots", True),
        ("staging", True),
    ]
    ((description,),) = warehouse.sql(
        "select comment from duckdb_tables() where table_name = 'dim_contacts'"
    ).fetchall()
    assert description.startswith("One row per contact")


def test_no_usage_statistics_are_sent(manifest: dict[str, Any]) -> None:
    assert manifest["metadata"]["send_anonymous_usage_stats"] is False
    assert dlt.current.run_context().runtime_config.dlthub_telemetry is False


def test_a_run_makes_one_dbt_build_without_unit_tests(sandbox_folder: Path) -> None:
    nodes = results(sandbox_folder / "dbt")
    assert {"dim_contacts", "unique_dim_contacts_contact_id"} <= set(nodes)
    kinds = {node["unique_id"].split(".")[0] for node in nodes.values()}
    assert kinds == {"exposure", "model", "snapshot", "test"}


def test_every_blocking_test_comes_before_history(manifest: dict[str, Any]) -> None:
    """Except for tests of what reads history, or has no part in who is a contact."""
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
