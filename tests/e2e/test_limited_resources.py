"""Models that find the disk full, or need more memory than usual."""

from pathlib import Path

import pytest

from extract.dbt_build import BuildResult
from extract.engines.file import File
from extract.sandbox.server import ApiServer
from publish import publication
from tests.support.builders import Lists, lead
from tests.support.dbt import only
from tests.support.elt import Elt, Query
from tests.support.limited import run_on_full_disk

ROWS = 2000

pytestmark = pytest.mark.usefixtures("with_dbt")


@pytest.fixture(autouse=True)
def one_model_of_many_leads(lists: Lists, api: ApiServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the API list many leads, and let runs build one model and publish nothing."""
    lists["leads"] = [lead(number, number / 60, name="x" * 200) for number in range(ROWS)]
    api.max_per_page = 1000
    monkeypatch.setenv("SOURCES__ANALYTICS_API__PAGE_SIZE", "1000")
    monkeypatch.setattr(File, "dbt_arguments", only("+int_contacts_resolved"))
    monkeypatch.setattr(publication, "publish", lambda *_: None)


def test_a_disk_that_fills_up_while_the_models_are_built_is_reported_and_the_next_run_recovers(
    elt: Elt, query: Query, tmp_path: Path, parsed_project: Path
) -> None:
    limited = run_on_full_disk(2_000_000, tmp_path / "limited", parsed_project)
    assert limited.exit_code == 1
    assert "File too large" in limited.stdout + limited.stderr
    assert "Traceback" not in limited.stdout + limited.stderr
    assert query("select count(*) from raw.leads") == [(ROWS,)], "it was loaded before"
    assert elt("run").exit_code == 0
    assert query("select count(*) from intermediate.int_contacts_resolved") == [(ROWS,)]


def test_models_that_need_more_memory_than_usual_are_built_with_all_there_is(
    elt: Elt, query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONTACTS_MEMORY_LIMIT", "8MiB")
    builds: list[BuildResult] = []
    read = BuildResult.read

    def note(run_results: Path) -> BuildResult:
        builds.append(read(run_results))
        return builds[-1]

    monkeypatch.setattr(BuildResult, "read", note)
    outcome = elt("run")
    assert [bool(build.failures) for build in builds] == [True, False]
    assert outcome.exit_code == 0, outcome.stdout + outcome.stderr
    assert query("select count(*) from intermediate.int_contacts_resolved") == [(ROWS,)]
