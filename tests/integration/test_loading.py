"""What one run loads and leaves: leftovers of a failed run, lost local state, load packages."""

from pathlib import Path
from typing import Any

import dlt
import pytest

from extract.sandbox.server import ApiServer
from tests.support.builders import Lists, Load, lead, leads, users
from tests.support.elt import Elt, Query
from tests.support.syncs import lead_ids, pages

pytestmark = pytest.mark.usefixtures("without_models")


def test_what_failed_runs_left_behind_is_thrown_away_and_read_again(
    lists: Lists, loaded: Load, elt: Elt, query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded(leads(120), users(3))
    listed = lists["leads"]
    listed[60] = lead(61, -1, name="changed")
    for stage in ("normalize", "load"):
        # newer than the change, which the cursor of the failed run would hide
        lists["leads"] = [lead(999, -3000), *listed]
        with monkeypatch.context() as broken:
            broken.setattr(dlt.Pipeline, stage, lambda _: 1 / 0)
            outcome = elt("run")
        assert outcome.exit_code == 1
        assert "ZeroDivisionError" in outcome.stderr
    lists["leads"] = listed
    assert elt("run").exit_code == 0
    assert len(lead_ids(query)) == 120
    assert query("select name from raw.leads where crmhero_user_id = 61") == [("changed",)]


def test_local_state_can_be_lost(api: ApiServer, loaded: Load, elt: Elt, data_dir: Path) -> None:
    loaded(leads(120), users(3))
    assert sorted(path.name for path in data_dir.iterdir()) == [
        "logs",
        "run.lock",
        "warehouse.duckdb",
    ]
    assert elt("run").exit_code == 0
    assert pages(api)["leads"] == [0]
    assert not (data_dir / "dlt").exists()


def test_rows_are_loaded_as_parquet(
    lists: Lists, api: ApiServer, elt: Elt, monkeypatch: pytest.MonkeyPatch
) -> None:
    lists["leads"] = [lead(1), lead(None)]
    files: list[str] = []
    load = dlt.Pipeline.load

    def record(pipeline: dlt.Pipeline, *args: Any, **kwargs: Any) -> Any:
        for load_id in pipeline.list_normalized_load_packages():
            jobs = pipeline.get_load_package_info(load_id).jobs["new_jobs"]
            files.extend(job.job_file_info.file_name() for job in jobs)
        return load(pipeline, *args, **kwargs)

    monkeypatch.setattr(dlt.Pipeline, "load", record)
    assert elt("run").exit_code == 0
    assert {name.split(".")[0] for name in files} >= {"leads", "users", "rejected_rows", "elt_runs"}
    assert {name.rsplit(".", 1)[1] for name in files} == {"parquet"}
