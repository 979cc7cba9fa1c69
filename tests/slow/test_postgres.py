"""PostgreSQL with more publications under readers, and more large rows, than `make test` tries."""

import pytest

from extract import dbt_build
from extract.dbt_build import BuildResult
from extract.sandbox.server import ApiServer
from publish import schemas
from tests.support.builders import Lists
from tests.support.databases import ask
from tests.support.elt import Elt
from tests.support.jobs import load_wide_and_large_rows
from tests.support.schemas import read_through

pytestmark = pytest.mark.xdist_group("postgres")


def test_every_read_through_30_publications_is_whole_and_of_one_version(on_postgres: str) -> None:
    read_through(on_postgres, publications=30)


def test_rows_that_need_more_memory_than_usual_are_loaded(
    on_postgres: str, lists: Lists, api: ApiServer, elt: Elt, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dbt_build, "build", lambda *_: BuildResult())
    monkeypatch.setattr(schemas, "publish", lambda *_: None)
    load_wide_and_large_rows(lists, elt, lambda sql: ask(on_postgres, sql), large=38)
