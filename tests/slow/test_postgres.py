"""PostgreSQL with more than `make test` tries: unit tests of models, publications, large rows."""

from pathlib import Path

import pytest

from extract import dbt_build
from extract.dbt_build import BuildResult
from extract.sandbox.server import ApiServer
from publish import schemas
from tests.support.builders import Lists, leads, users
from tests.support.databases import ask, run_dbt_on_postgres
from tests.support.dbt import results
from tests.support.elt import Elt
from tests.support.jobs import load_wide_and_large_rows
from tests.support.schemas import read_through

pytestmark = pytest.mark.xdist_group("postgres")


@pytest.mark.usefixtures("with_dbt_on_postgres")
def test_unit_tests_and_data_tests_that_are_run_manually_pass(
    on_postgres: str,
    lists: Lists,
    api: ApiServer,
    elt: Elt,
    data_dir: Path,
    project: Path,
    tmp_path: Path,
) -> None:
    lists["leads"], lists["users"] = leads(3), users(3)
    assert elt("run").exit_code == 0
    select = ("--select", "test_type:unit", "dim_contacts")
    ended = run_dbt_on_postgres(on_postgres, project, tmp_path, data_dir, "test", *select)
    assert ended.exit_code == 0, ended.stdout
    kinds = [result["unique_id"].split(".")[0] for result in results(project / "target").values()]
    assert kinds.count("unit_test") > 60
    assert kinds.count("test") > 5


def test_every_read_through_30_publications_is_whole_and_of_one_version(on_postgres: str) -> None:
    read_through(on_postgres, publications=30)


def test_rows_that_need_more_memory_than_usual_are_loaded(
    on_postgres: str, lists: Lists, api: ApiServer, elt: Elt, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dbt_build, "build", lambda *_: BuildResult())
    monkeypatch.setattr(schemas, "publish", lambda *_: None)
    load_wide_and_large_rows(lists, elt, lambda sql: ask(on_postgres, sql), large=38)
