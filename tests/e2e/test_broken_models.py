"""Models that dbt cannot read or build: what is reported, and that nothing is published."""

import shutil
from pathlib import Path

import pytest

from extract import dbt_build, settings
from extract.engines.file import File
from extract.sandbox.server import ApiServer
from tests.support.dbt import only
from tests.support.elt import Elt

pytestmark = pytest.mark.usefixtures("with_dbt")


@pytest.fixture
def broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the dbt project, which this test's runs build."""
    copy = tmp_path / "transform"
    shutil.copytree(settings.ROOT / "transform", copy, ignore=shutil.ignore_patterns("target"))
    monkeypatch.setattr(dbt_build, "PROJECT", copy)
    return copy


def test_a_project_that_dbt_cannot_read_is_reported_with_its_reason(
    api: ApiServer, elt: Elt, broken: Path
) -> None:
    (broken / "models" / "marts" / "dim_broken.sql").write_text(
        "select * from {{ ref('nowhere') }}"
    )
    outcome = elt("run")
    assert outcome.exit_code == 1
    assert outcome.stderr.startswith("elt: dbt could not build")
    assert "nowhere" in outcome.stderr
    assert "Traceback" not in outcome.stderr


def test_a_model_that_fails_is_named_and_nothing_is_published(
    api: ApiServer, elt: Elt, broken: Path, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (broken / "models" / "staging" / "stg_broken.sql").write_text("select * from no_such_table")
    monkeypatch.setattr(File, "dbt_arguments", only("stg_broken", "+int_contacts_resolved"))
    outcome = elt("run")
    assert outcome.exit_code == 1
    assert "failed: stg_broken" in outcome.stdout
    assert "no_such_table" in outcome.stdout
    assert outcome.stderr.startswith("elt: nothing was published, as models or tests failed: stg_b")
    assert not (data_dir / "contacts.duckdb").exists()
    monkeypatch.setattr(dbt_build, "PROJECT", settings.ROOT / "transform")
    outcome = elt("publish")  # the other models were built, and would pass their tests
    assert outcome.exit_code == 1
    assert "The last build of the models" in outcome.stderr
    assert not (data_dir / "contacts.duckdb").exists()
