"""Publishing with dbt: failed tests hold back what is new; `elt publish` tests what is built."""

import json
import re
from pathlib import Path

import duckdb
import pytest

from extract.engines.file import File
from extract.folder import Folder
from extract.sandbox.server import ApiServer
from publish.publication import published
from tests.support import templates
from tests.support.elt import Elt
from tests.support.published import contacts

pytestmark = pytest.mark.usefixtures("with_dbt")


@pytest.fixture
def sandbox_data(sandbox_folder: Path, data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Folder:
    """The sandbox's data folder in this test's `data_dir`, where commands on the sandbox use it."""
    monkeypatch.setenv("SOURCES__ANALYTICS_API__BASE_URL", "sandbox")
    folder = Folder(data_dir / "sandbox")
    templates.copy_data(sandbox_folder, folder.path)
    return folder


def test_failed_tests_hold_back_what_is_new_until_a_run_passes(
    sandbox_data: Folder, elt: Elt, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = sandbox_data.path
    before = published(sandbox_data)
    assert before
    assert before.data_as_of
    users = contacts(path, "select count(*) from dim_users")
    with duckdb.connect(str(sandbox_data.warehouse)) as warehouse:
        assert not warehouse.sql(
            "from duckdb_tables() where table_name = 'unfinished_build'"
        ).fetchall()
        warehouse.execute("insert into marts.dim_users from marts.dim_users limit 1")

    with monkeypatch.context() as patched:  # tests of one mart take less time
        patched.setattr(File, "dbt_arguments", ("--select", "dim_users"))
        outcome = elt("publish")

    assert outcome.exit_code == 1
    assert "published:" not in outcome.stdout
    assert outcome.stderr.startswith("elt: nothing was published, as models or tests failed: ")
    assert "unique_dim_users_contact_id" in outcome.stderr
    assert f"duckdb -readonly {sandbox_data.warehouse}" in outcome.stderr
    assert re.search(
        rf"Readers still see version {before.version}, published \d+ \w+ ago with the data of "
        rf"{before.data_as_of:%Y-%m-%d %H:%M} UTC\.$",
        outcome.stderr,
    )
    (select,) = re.findall(r"failed: unique_dim_users_contact_id: .*: (select .*)", outcome.stdout)
    with duckdb.connect(str(sandbox_data.warehouse), read_only=True) as warehouse:
        assert len(warehouse.sql(select).fetchall()) == 1
    assert published(sandbox_data) == before
    assert contacts(path, "select count(*) from dim_users") == users

    outcome = elt("run", "--json")

    assert outcome.exit_code == 0, outcome.stderr
    summary = json.loads(outcome.stdout)
    assert summary["status"] == "ok"
    assert summary["published"]["path"] == str(path / "contacts.duckdb")
    assert summary["published"]["version"] > before.version
    assert summary["published"]["data_as_of"] > before.data_as_of.isoformat()
    assert contacts(path, "select distinct version from published") == [
        (summary["published"]["version"],)
    ]
    assert contacts(path, "select count(*) = count(distinct contact_id) from dim_users") == [
        (True,)
    ]


def test_what_is_built_can_be_published_again_without_the_api(
    sandbox_copy: Path, api: ApiServer, elt: Elt
) -> None:
    templates.bind(sandbox_copy / "warehouse.duckdb", api.url)
    ((first,),) = contacts(sandbox_copy, "select distinct version from published")

    outcome = elt("publish")

    assert outcome.exit_code == 0, outcome.stderr
    assert re.search(r"^tests: \d\d+ passed, \d+ warned, 0 failed$", outcome.stdout, re.MULTILINE)
    ((second,),) = contacts(sandbox_copy, "select distinct version from published")
    assert f"published: {sandbox_copy / 'contacts.duckdb'}, version {second}\n" in outcome.stdout
    assert second > first
    assert api.requests == []
    assert elt("rollback").exit_code == 0
    assert contacts(sandbox_copy, "select distinct version from published") == [(first,)]
