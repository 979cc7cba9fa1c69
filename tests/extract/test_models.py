"""The dbt stage: what a build reports, and what it says when dbt cannot even start."""

import shutil
from pathlib import Path

import pytest
from dlt.helpers.dbt.exceptions import DBTNodeResult

from extract import models, settings
from extract.models import BuildResult
from extract.sandbox.server import ApiServer
from tests.conftest import Elt


def test_a_build_is_summed_up_by_status() -> None:
    statuses = ("success", "success", "pass", "pass", "pass", "warn", "fail", "error", "skipped")
    nodes = [DBTNodeResult(f"node{n}", f"says {n}", 0.1, s) for n, s in enumerate(statuses)]
    assert BuildResult.of(nodes) == BuildResult(
        models_built=2,
        tests_passed=3,
        tests_warned=1,
        tests_failed=1,
        skipped=1,
        warnings={"node5": "says 5"},
        failures={"node6": "says 6", "node7": "says 7"},
    )


def test_a_project_that_dbt_cannot_read_is_told_with_its_reason(
    api: ApiServer, elt: Elt, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "transform"
    shutil.copytree(settings.ROOT / "transform", broken, ignore=shutil.ignore_patterns("target"))
    (broken / "models" / "marts" / "dim_broken.sql").write_text(
        "select * from {{ ref('nowhere') }}"
    )
    monkeypatch.setattr(models, "PROJECT", broken)
    outcome = elt("run")
    assert outcome.exit_code == 1
    assert "nowhere" in outcome.stderr
    assert "Traceback" not in outcome.stderr


def test_a_model_that_fails_is_named_and_the_rows_stay_loaded(
    api: ApiServer, elt: Elt, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "transform"
    shutil.copytree(settings.ROOT / "transform", broken, ignore=shutil.ignore_patterns("target"))
    (broken / "models" / "staging" / "stg_broken.sql").write_text("select * from no_such_table")
    monkeypatch.setattr(models, "PROJECT", broken)
    outcome = elt("run")
    assert outcome.exit_code == 1
    assert "failed: stg_broken" in outcome.stdout
    assert "no_such_table" in outcome.stdout
    assert outcome.stderr.startswith("elt: models or tests failed")
