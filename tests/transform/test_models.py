"""The models on real loads: who is a contact, in which stage, whatever the machine's zone."""

import json
import shutil
from datetime import datetime
from pathlib import Path
from typing import Any

import dlt
import duckdb
import pytest

from extract import settings
from extract.sandbox.server import ApiServer
from extract.values import parse_moment
from tests.builders import Lists, lead, moment, user
from tests.conftest import API_KEY, Elt, Query
from tests.transform.conftest import Dbt, results

SCHEMAS = {"raw", "raw_staging", "staging", "intermediate", "marts", "snapshots", "audit"}


def ask(folder: Path, sql: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(folder / "warehouse.duckdb"), read_only=True) as warehouse:
        return warehouse.sql(sql).fetchall()


def marts(folder: Path) -> list[str]:
    names = ask(folder, "select table_name from duckdb_tables() where schema_name = 'marts'")
    return sorted(name for (name,) in names)


def contacts(query: Query) -> dict[str, list[str]]:
    rows = query("select contact_id, email, contact_stage from marts.dim_contacts")
    return {contact_id: [email, stage] for contact_id, email, stage in rows}


def test_each_contact_is_one_row_through_conversion_rename_and_late_id(
    lists: Lists, api: ApiServer, elt: Elt, query: Query
) -> None:
    lists["leads"] = [lead(1, 60), lead(2, 50)]
    lists["users"] = [
        user("a", 10, 40),
        user("b", None, 30),
        user("c", 11, 20, was_lead=1),
        user("d", None, 10),
    ]
    assert elt("run").exit_code == 0
    assert contacts(query) == {
        "1": ["lead1@example.com", "lead"],
        "2": ["lead2@example.com", "lead"],
        "10": ["a@example.com", "direct_user"],
        "user:b": ["b@example.com", "direct_user"],
        "11": ["c@example.com", "converted_user"],
        "user:d": ["d@example.com", "direct_user"],
    }

    # 1 signs up and the API forgets that it was a lead, a changes its e-mail, b gets its id
    lists["leads"] = [lead(2, 50), lead(3, -1)]
    lists["users"] = [
        user("a", 10, -2, email="new@example.com"),
        user("b", 12, -3),
        user("c", 11, 20, was_lead=1),
        user("d", None, 10),
        user("e", 1, -4, was_lead=0),
    ]
    assert elt("run").exit_code == 0
    newest = {
        "1": ["e@example.com", "converted_user"],
        "2": ["lead2@example.com", "lead"],
        "3": ["lead3@example.com", "lead"],
        "10": ["new@example.com", "direct_user"],
        "12": ["b@example.com", "direct_user"],
        "11": ["c@example.com", "converted_user"],
        "user:d": ["d@example.com", "direct_user"],
    }
    assert contacts(query) == newest
    assert query("select count(*) from raw.leads") == [(3,)]
    assert query("select count(*) from raw.users") == [(6,)]
    assert query("select contact_id, is_converted from marts.dim_leads order by 1") == [
        ("1", True),
        ("11", True),
        ("2", False),
        ("3", False),
    ]
    assert query("select user_id, email from marts.dim_users order by 1") == [
        ("a", "new@example.com"),
        ("b", "b@example.com"),
        ("c", "c@example.com"),
        ("d", "d@example.com"),
        ("e", "e@example.com"),
    ]

    # a full refresh takes the stale rows out of raw; that 1 was a lead is remembered
    lists["users"].pop(3)
    assert elt("run", "--full-refresh").exit_code == 0
    assert query("select count(*) from raw.leads") == [(2,)]
    assert query("select count(*) from raw.users") == [(4,)]
    del newest["user:d"]
    assert contacts(query) == newest


def test_moments_are_utc_whatever_the_spelling(
    lists: Lists, api: ApiServer, elt: Elt, query: Query
) -> None:
    lists["users"] = [
        user("a", 1, create_date=1735696800),
        user("b", 2, attributes={"create_date": "1735696800"}),
        user("c", 3, attributes={"create_date": "2025-01-01 02:00:00"}),
        user("d", 4, attributes={"create_date": "2025-01-01T03:00:00+01:00"}),
    ]
    assert elt("run").exit_code == 0
    assert query("select distinct created_at from marts.dim_users") == [
        (datetime(2025, 1, 1, 2),),
    ]


def test_dirty_rows_warn_and_are_stored_for_a_look(
    lists: Lists, api: ApiServer, elt: Elt, query: Query
) -> None:
    lists["leads"] = [lead(None), lead(1, first_seen_at="2024-02-30"), lead(2, last_update="?")]
    outcome = elt("run")
    assert outcome.exit_code == 0
    assert "2 warned, 0 failed" in outcome.stdout
    assert 'select * from "warehouse"."audit"."assert_no_row_was_rejected"' in outcome.stdout
    assert "assert_no_row_was_rejected" in outcome.stdout
    dates = "from audit.dates_of_leads_are_readable order by column_name"
    assert query(f"select column_name, unreadable_value {dates}") == [
        ("first_seen_at", "2024-02-30"),
        ("last_update", "?"),
    ]
    assert query("select reason from audit.assert_no_row_was_rejected") == [
        ("crmhero_user_id is missing or blank",)
    ]


@pytest.mark.parametrize(
    ("damage", "failing"),
    [
        (
            "insert into raw.leads select * from raw.leads limit 1",
            {"source_unique_analytics_api_leads_crmhero_user_id"},
        ),
        (
            "insert into raw.users select * from raw.users limit 1",
            {"source_unique_combination_analytics_api_users_user_id__email"},
        ),
        (
            "insert into raw.elt_runs select * from raw.elt_runs limit 1",
            {"source_unique_analytics_api_elt_runs_load_id"},
        ),
    ],
)
def test_bad_data_fails_the_intended_test_and_reaches_no_mart(
    sandbox_folder: Path, tmp_path: Path, dbt: Dbt, project: Path, damage: str, failing: set[str]
) -> None:
    folder = tmp_path / "damaged"
    folder.mkdir()
    shutil.copy(sandbox_folder / "warehouse.duckdb", folder)
    with duckdb.connect(str(folder / "warehouse.duckdb")) as warehouse:
        warehouse.execute(damage)
        warehouse.execute("alter table marts.dim_contacts add column untouched integer")
    assert dbt(folder, "build", "--exclude-resource-type", "unit_test").returncode == 1
    outcome = results(project / "target")
    assert {name for name, node in outcome.items() if node["status"] == "fail"} == failing
    assert outcome["dim_contacts"]["status"] == "skipped"
    assert ask(folder, "select count(untouched) from marts.dim_contacts") == [(0,)]


def test_the_logic_of_the_models_passes_its_unit_tests(
    sandbox_folder: Path, dbt: Dbt, project: Path
) -> None:
    run = dbt(sandbox_folder, "test", "--select", "test_type:unit")
    assert run.returncode == 0, run.stdout
    assert len(results(project / "target")) > 60


def test_dbt_test_by_hand_passes_on_the_last_run(
    sandbox_folder: Path, dbt: Dbt, project: Path
) -> None:
    run = dbt(sandbox_folder, "test")
    assert run.returncode == 0, run.stdout
    assert "deprecat" not in run.stdout.lower()
    assert {node["status"] for node in results(project / "target").values()} == {"pass"}


SPELLINGS = [
    "2026-05-01 10:00:00",
    "2026-05-01",
    "2026-05-01T10:00",
    "2026-05-01T10:00+02:00",
    "2026-05-01 10:00 Z",
    "2026-05-01t10:00:00z",
    "2026-05-01T10:00:00.25-0730",
    " 2026-05-01 10:00:00 +05\n",
    "1780315200",
    "1780315200.5",
    "2026-05-01T11",
    "20260501T100000Z",
    "20260501",
    "2026-02-30 10:00:00",
    "2026-05-01 25:00:00",
    "1970-01-01 00:00:00",
    "0000-00-00 00:00:00",
    "2026-05-01T10:00:00 Europe/Rome",
    "\u0662026-05-01",
    "infinity",
    "",
]


def test_extract_and_models_read_the_same_moments(sandbox_folder: Path, tmp_path: Path) -> None:
    shutil.copy(sandbox_folder / "warehouse.duckdb", tmp_path)
    with duckdb.connect(str(tmp_path / "warehouse.duckdb")) as warehouse:
        for number, spelling in enumerate(SPELLINGS):
            warehouse.execute(
                "insert into raw.leads (crmhero_user_id, last_update, _version, _dlt_load_id, "
                "_dlt_id) values (?, ?, '', '1', ?)",
                [-1 - number, spelling, str(number)],
            )
        read = warehouse.sql(
            "select last_updated_at from staging.stg_analytics_api__leads "
            "where contact_id like '-%' order by cast(contact_id as integer) desc"
        ).fetchall()
    parsed = [parse_moment(spelling) for spelling in SPELLINGS]
    assert [moment for (moment,) in read] == [
        moment.replace(tzinfo=None) if moment else None for moment in parsed
    ]
    assert sum(moment is not None for moment in parsed) == 10


def test_dirty_data_never_blocks_a_build(
    lists: Lists, api: ApiServer, elt: Elt, query: Query
) -> None:
    """The same bad row in both lists, two accounts of one contact, odd values everywhere."""
    bad: dict[str, Any] = {}
    odd = {field: "\t?{}\n" for field in settings.TEXT_FIELDS["leads"] if field != "email"}
    lists["leads"] = [bad, {**lead(1), **odd, "attributes": {"role": {"a": [1]}, "x.y": '"'}}]
    lists["users"] = [bad, user("a", 7), user("b", 7, -1), {**user("c", 8), **odd}]
    outcome = elt("run")
    assert outcome.exit_code == 0
    assert "assert_no_contact_has_two_accounts" in outcome.stdout
    assert query("select user_id from marts.dim_users order by 1") == [("b",), ("c",)]
    assert query("select contact_id from marts.dim_contacts order by 1") == [("1",), ("7",), ("8",)]


def test_runs_without_a_change_change_no_mart(
    lists: Lists, api: ApiServer, elt: Elt, query: Query
) -> None:
    """Rows without a date are loaded by every run that meets them; that makes them no newer."""
    lists["users"] = [
        user("a", 1, 60),
        user("b", 1, last_update=None),
        user("c", 2, 60, last_update="2126-01-01 00:00:00"),
        user("d", 2, 61),
        *(user(f"e{n}", 100 + n, n) for n in range(40)),
    ]
    rows = "select contact_id, user_id from marts.dim_contacts order by all"
    shown = []
    for arguments in ((), (), ("--full-refresh",)):
        assert elt("run", *arguments).exit_code == 0
        shown.append(query(rows))
    assert shown[0] == shown[1] == shown[2]
    assert ("1", "a") in shown[0]
    assert ("2", "d") in shown[0]


def test_a_list_that_no_run_read_is_stale(
    lists: Lists, api: ApiServer, elt: Elt, data_dir: Path, dbt: Dbt
) -> None:
    assert elt("run").exit_code == 0
    with duckdb.connect(str(data_dir / "warehouse.duckdb")) as warehouse:
        warehouse.execute("update raw._dlt_loads set inserted_at = inserted_at - interval 3 days")
    assert elt("run", "--resources", "users").exit_code == 0
    said = dbt(data_dir, "source", "freshness").stdout
    assert "WARN freshness of analytics_api.leads" in said
    assert "PASS freshness of analytics_api.users" in said


def test_a_stale_load_is_noticed(sandbox_folder: Path, tmp_path: Path, dbt: Dbt) -> None:
    assert (
        "PASS freshness of analytics_api.leads" in dbt(sandbox_folder, "source", "freshness").stdout
    )
    folder = tmp_path / "stale"
    folder.mkdir()
    shutil.copy(sandbox_folder / "warehouse.duckdb", folder)
    with duckdb.connect(str(folder / "warehouse.duckdb")) as warehouse:
        warehouse.execute("update raw._dlt_loads set inserted_at = inserted_at - interval 3 days")
    assert "WARN freshness of analytics_api.leads" in dbt(folder, "source", "freshness").stdout


@pytest.mark.parametrize("zone", ["Pacific/Auckland", "America/New_York"])
def test_the_zone_of_the_machine_changes_no_row(
    sandbox_folder: Path, tmp_path: Path, dbt: Dbt, zone: str
) -> None:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    shutil.copy(sandbox_folder / "warehouse.duckdb", folder)
    with duckdb.connect(str(folder / "warehouse.duckdb")) as warehouse:
        warehouse.execute("drop table snapshots.snap_contacts")  # history begins there, too
    assert dbt(folder, "build", "--exclude-resource-type", "unit_test", TZ=zone).returncode == 0
    built = marts(folder)
    assert len(built) == 14
    for mart in built:
        rows = f"select * from marts.{mart} order by all"
        assert ask(folder, rows) == ask(sandbox_folder, rows)


def test_the_warehouse_has_the_named_schemas_and_no_other(sandbox_folder: Path) -> None:
    found = ask(
        sandbox_folder,
        "select distinct table_schema from information_schema.tables "
        "where table_catalog = 'warehouse'",
    )
    assert {schema for (schema,) in found} == SCHEMAS


def test_no_moment_from_staging_on_has_a_zone(sandbox_folder: Path) -> None:
    zoned = ask(
        sandbox_folder,
        "select table_name, column_name from information_schema.columns "
        "where data_type like '%TIME ZONE%' "
        "and table_schema in ('staging', 'intermediate', 'marts', 'snapshots')",
    )
    assert zoned == []


def test_marts_of_the_sandbox_add_up(sandbox_folder: Path) -> None:
    (counts,) = ask(
        sandbox_folder,
        "select (select count(*) from marts.dim_contacts),"
        " (select count(*) from marts.dim_users),"
        " (select count(*) from marts.dim_leads where not is_converted),"
        " (select count(*) from marts.dim_leads where is_converted),"
        " (select count(*) from marts.dim_users where is_converted)",
    )
    everyone, users, open_leads, converted, converted_users = counts
    assert everyone == users + open_leads
    assert converted == converted_users
    assert 2500 < everyone < 20_000
    assert 0 < converted < users


def test_descriptions_reach_the_warehouse(sandbox_folder: Path) -> None:
    comments = ask(
        sandbox_folder,
        "select schema_name, count(*) = count(comment) from duckdb_columns() "
        "where database_name = 'warehouse' and schema_name in "
        "('staging', 'intermediate', 'marts', 'snapshots') group by all order by all",
    )
    assert comments == [
        ("intermediate", True),
        ("marts", True),
        ("snapshots", True),
        ("staging", True),
    ]
    (table,) = ask(
        sandbox_folder, "select comment from duckdb_tables() where table_name = 'dim_contacts'"
    )
    assert table[0].startswith("One row per contact")


def test_a_whole_run_writes_the_key_nowhere(
    lists: Lists, api: ApiServer, elt: Elt, data_dir: Path
) -> None:
    lists["leads"] = [lead(1)]
    assert elt("run").exit_code == 0
    files = [path for path in data_dir.rglob("*") if path.is_file()]
    assert len(files) > 20
    assert not [path for path in files if API_KEY.encode() in path.read_bytes()]


def test_nobody_is_told_of_a_run(sandbox_folder: Path) -> None:
    manifest = json.loads((sandbox_folder / "dbt" / "manifest.json").read_text())
    assert manifest["metadata"]["send_anonymous_usage_stats"] is False
    assert dlt.current.run_context().runtime_config.dlthub_telemetry is False


def test_a_load_runs_one_dbt_build_without_unit_tests(sandbox_folder: Path) -> None:
    nodes = results(sandbox_folder / "dbt")
    assert {"dim_contacts", "unique_dim_contacts_contact_id"} <= set(nodes)
    kinds = {node["unique_id"].split(".")[0] for node in nodes.values()}
    assert kinds == {"exposure", "model", "snapshot", "test"}


def test_a_last_update_that_cannot_be_read_keeps_its_row(
    lists: Lists, api: ApiServer, elt: Elt, query: Query
) -> None:
    lists["leads"] = [lead(1, last_update=None), lead(2)]
    assert elt("run").exit_code == 0
    assert query("select contact_id, last_updated_at from marts.dim_contacts order by 1") == [
        ("1", None),
        ("2", datetime.fromisoformat(moment())),
    ]
