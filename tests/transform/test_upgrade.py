"""A warehouse of an earlier release is loaded on, and keeps its history.

`warehouse_0.1.0.duckdb.gz` was made by release 0.1.0 in two runs: 60 leads, 60 users and a lead
without an id, then lead 1 signed up as user `new`, with no flag that says it was a lead.

`warehouse_0.2.0.duckdb.gz` was made by release 0.2.0 in two runs: the same, but that user `u59` has
a vote and user `u60` no number and a `create_date` that is none; then lead 1 signed up as user
`new`, lead 2 was deleted and user `u1` got another e-mail.
"""

import gzip
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from extract import pipeline
from extract.sandbox import API_KEY, ApiServer
from tests.builders import Lists, lead, leads, moment, user, users
from tests.conftest import Elt, Query

Earlier = Callable[[str, Lists], ApiServer]


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """The folder of the sandbox's warehouse: both were loaded from there."""
    return tmp_path / "data" / "sandbox"


@pytest.fixture
def earlier(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Earlier:
    """Unpack the warehouse of a release, and say what its API lists from now on."""

    def unpack(release: str, lists: Lists) -> ApiServer:
        api = ApiServer(lambda: lists, API_KEY)
        monkeypatch.setattr(pipeline, "sandbox_server", lambda: api)
        monkeypatch.setenv("SOURCES__ANALYTICS_API__BASE_URL", "sandbox")
        monkeypatch.setenv("ELT__DATA_DIR", str(data_dir.parent))
        packed = Path(__file__).with_name(f"warehouse_{release}.duckdb.gz")
        data_dir.mkdir(parents=True, exist_ok=True)
        if not (data_dir / "warehouse.duckdb").exists():
            (data_dir / "warehouse.duckdb").write_bytes(gzip.decompress(packed.read_bytes()))
        return api

    return unpack


def test_a_warehouse_of_release_0_1_0_is_loaded_on_with_its_history(
    elt: Elt, query: Query, earlier: Earlier, monkeypatch: pytest.MonkeyPatch
) -> None:
    lists = {
        "leads": [lead(2, -2, name="changed"), lead(100, -3), *leads(60)[3:]],  # lead 3 is deleted
        "users": [user("new", 1, -1, was_lead=0), *users(60)],
    }
    api = earlier("0.1.0", lists)
    monkeypatch.setenv("ELT__FULL_READ_DAYS", "0")
    assert elt("run").exit_code == 0
    assert len(api.requests) == 2, "the cursors of the earlier release hold"
    earlier("0.1.0", lists)
    monkeypatch.delenv("ELT__FULL_READ_DAYS")
    assert elt("run").exit_code == 0, "its last full read is not known: one is made"

    assert query("select mode, leads_rows_removed from raw.elt_runs order by load_id") == [
        ("full", None),
        ("incremental", None),
        ("incremental", 0),
        ("full", 2),
    ]
    assert query(
        "select contact_stage, count(*) from marts.dim_contacts group by all order by all"
    ) == [("converted_user", 1), ("direct_user", 60), ("lead", 59)]
    assert query("select full_name from marts.dim_contacts where contact_id = '2'") == [
        ("changed",)
    ]
    assert query(
        "select contact_id from snapshots.snap_contacts "
        "where dbt_is_deleted = 'True' and dbt_valid_to is null"
    ) == [("3",)]
    assert query("select count(*) from snapshots.snap_lead_ids") == [(61,)]


def test_a_warehouse_of_release_0_2_0_keeps_its_history_and_no_former_audit(
    elt: Elt, query: Query, earlier: Earlier, data_dir: Path
) -> None:
    lists = {
        "leads": [lead(None), *leads(60)[2:]],
        "users": [
            user("new", 1, -1, was_lead=0),
            user("u1", 100_001, -2, email="renamed@example.com"),
            *users(58)[1:],
            user("u59", 100_059, 59, nps_vote=9),
            user("u60", None, 60, attributes={"create_date": "2026-02-30"}),
        ],
    }
    earlier("0.2.0", lists)
    name = "source_is_readable_date_analytics_api_users_create_date__True"
    assert query(f"select count(*) from audit.{name}") == [(1,)]
    ((before,),) = query("select count(*) from snapshots.snap_contacts")
    with duckdb.connect(str(data_dir / "warehouse.duckdb")) as warehouse:
        warehouse.execute('create table audit."a ""former"" test of readable_dates" (n int)')
        warehouse.execute("create view audit.a_look as select 1")

    assert elt("run").exit_code == 0
    assert query("select count(*) from snapshots.snap_contacts") == [(before,)]
    changes = (
        "select contact_id, change_type, email from marts.fct_contact_changes "
        "where change_type <> 'first_seen' order by all"
    )
    assert query(changes) == [
        ("1", "changed", "new@example.com"),
        ("100001", "changed", "renamed@example.com"),
        ("2", "deleted", "lead2@example.com"),
    ]
    assert query("select count(*) from marts.fct_contact_changes where is_current") == [(119,)]
    assert query("select contact_id from marts.fct_lead_conversions") == [("1",)]
    audit = query("select table_name from duckdb_tables() where schema_name = 'audit'")
    assert ("dates_of_users_are_readable",) in audit
    assert not [name for (name,) in audit if "is_readable_date_" in name or " " in name]
    assert query("select column_name from audit.dates_of_users_are_readable") == [("create_date",)]

    lists["leads"].pop()
    lists["users"][2] |= {"email": "later@example.com", "nps_vote": 3, "last_update": moment(-3)}
    earlier("0.2.0", lists)
    assert elt("run", "--full-refresh").exit_code == 0
    assert query(changes) == [
        ("1", "changed", "new@example.com"),
        ("100001", "changed", "renamed@example.com"),
        ("100002", "changed", "later@example.com"),
        ("2", "deleted", "lead2@example.com"),
        ("60", "deleted", "lead60@example.com"),
    ]
    assert query(
        "select user_id, nps_voted_at = (select min(finished_at) from marts.fct_loads), "
        "nps_voted_at = (select max(finished_at) from marts.fct_loads) "
        "from marts.dim_users where nps_vote is not null order by 1"
    ) == [("u2", False, True), ("u59", True, False)]
