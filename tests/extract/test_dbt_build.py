"""The dbt stage: what a build reports, and what it says when dbt cannot even start."""

import json
import shutil
from pathlib import Path

import pytest

from extract import dbt_build, settings
from extract.dbt_build import BuildResult
from extract.sandbox.server import ApiServer
from tests.conftest import Elt


def test_a_build_is_summed_up_by_status(tmp_path: Path) -> None:
    statuses = (
        "success",
        "success",
        "pass",
        "pass",
        "pass",
        "warn",
        "fail",
        "error",
        "skipped",
        "no-op",
    )
    hook = {
        "unique_id": "operation.contacts.hook",
        "status": "success",
        "message": "passed",
        "relation_name": None,
    }
    relations = ("success", "warn", "fail")
    nodes = [
        {
            "unique_id": f"test.contacts.node{n}.1a2b",
            "status": status,
            "message": f"says {n}",
            "relation_name": f'"audit"."node{n}"' if status in relations else None,
        }
        for n, status in enumerate(statuses)
    ]
    (tmp_path / "run_results.json").write_text(json.dumps({"results": [*nodes, hook]}))
    assert BuildResult.read(tmp_path / "run_results.json") == BuildResult(
        models_built=2,
        tests_passed=3,
        tests_warned=1,
        tests_failed=1,
        skipped=1,
        warnings={"node5": 'says 5: select * from "audit"."node5"'},
        failures={"node6": 'says 6: select * from "audit"."node6"', "node7": "says 7"},
    )


def test_a_project_that_dbt_cannot_read_is_told_with_its_reason(
    api: ApiServer, elt: Elt, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "transform"
    shutil.copytree(settings.ROOT / "transform", broken, ignore=shutil.ignore_patterns("target"))
    (broken / "models" / "marts" / "dim_broken.sql").write_text(
        "select * from {{ ref('nowhere') }}"
    )
    monkeypatch.setattr(dbt_build, "PROJECT", broken)
    outcome = elt("run")
    assert outcome.exit_code == 1
    assert "nowhere" in outcome.stderr
    assert "Traceback" not in outcome.stderr


def test_a_model_that_fails_is_named_and_the_rows_stay_loaded(
    api: ApiServer, elt: Elt, data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "transform"
    shutil.copytree(settings.ROOT / "transform", broken, ignore=shutil.ignore_patterns("target"))
    (broken / "models" / "staging" / "stg_broken.sql").write_text("select * from no_such_table")
    monkeypatch.setattr(dbt_build, "PROJECT", broken)
    outcome = elt("run")
    assert outcome.exit_code == 1
    assert "failed: stg_broken" in outcome.stdout
    assert "no_such_table" in outcome.stdout
    assert outcome.stderr.startswith("elt: nothing was published, as models or tests failed: stg_b")
    monkeypatch.undo()
    monkeypatch.setenv("ELT__DATA_DIR", str(data_dir))
    monkeypatch.setenv("SOURCES__ANALYTICS_API__BASE_URL", api.url)
    outcome = elt("publish")  # the other marts were built, and would pass their tests
    assert outcome.exit_code == 1
    assert "The last build of the models" in outcome.stderr
    assert not (data_dir / "contacts.duckdb").exists()
