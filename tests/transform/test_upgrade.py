"""A warehouse of an earlier release is loaded on, and keeps its history.

`warehouse_0.1.0.duckdb.gz` was made by release 0.1.0 in two runs: 60 leads, 60 users and a lead
without an id, then lead 1 signed up as user `new`, with no flag that says it was a lead.
"""

import gzip
from pathlib import Path

import duckdb
import pytest

from extract import pipeline
from extract.sandbox import API_KEY, ApiServer
from tests.builders import lead, leads, user, users
from tests.conftest import Elt

EARLIER = Path(__file__).with_name("warehouse_0.1.0.duckdb.gz")


def test_a_warehouse_of_release_0_1_0_is_loaded_on_with_its_history(
    elt: Elt, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lists = {
        "leads": [lead(2, -2, name="changed"), lead(100, -3), *leads(60)[3:]],  # lead 3 is deleted
        "users": [user("new", 1, -1, was_lead=0), *users(60)],
    }
    api = ApiServer(lambda: lists, API_KEY)
    monkeypatch.setattr(pipeline, "sandbox_server", lambda: api)
    monkeypatch.setenv("SOURCES__ANALYTICS_API__BASE_URL", "sandbox")
    monkeypatch.setenv("ELT__FULL_READ_DAYS", "0")
    folder = data_dir / "sandbox"
    folder.mkdir(parents=True)
    (folder / "warehouse.duckdb").write_bytes(gzip.decompress(EARLIER.read_bytes()))

    assert elt("run").exit_code == 0
    assert len(api.requests) == 2, "the cursors of the earlier release hold"
    api = ApiServer(lambda: lists, API_KEY)
    monkeypatch.delenv("ELT__FULL_READ_DAYS")
    assert elt("run").exit_code == 0, "its last full read is not known: one is made"

    with duckdb.connect(str(folder / "warehouse.duckdb"), read_only=True) as warehouse:
        modes = warehouse.sql("select mode, leads_rows_removed from raw.elt_runs order by load_id")
        assert modes.fetchall() == [
            ("full", None),
            ("incremental", None),
            ("incremental", 0),
            ("full", 2),
        ]
        stages = warehouse.sql(
            "select contact_stage, count(*) from marts.dim_contacts group by all order by all"
        )
        assert stages.fetchall() == [("converted_user", 1), ("direct_user", 60), ("lead", 59)]
        assert warehouse.sql(
            "select full_name from marts.dim_contacts where contact_id = '2'"
        ).fetchall() == [("changed",)]
        gone = warehouse.sql(
            "select contact_id from snapshots.snap_contacts "
            "where dbt_is_deleted = 'True' and dbt_valid_to is null"
        )
        assert gone.fetchall() == [("3",)]
        assert warehouse.sql("select count(*) from snapshots.snap_lead_ids").fetchall() == [(61,)]
