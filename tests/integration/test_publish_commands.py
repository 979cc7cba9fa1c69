"""What `elt` commands print about what is published, and how they end. No dbt runs."""

import json
import os
import re
from pathlib import Path

import duckdb
import pytest

from extract import dbt_build
from extract.dbt_build import BuildResult
from extract.folder import Folder
from extract.sandbox.server import ApiServer
from publish.publication import publish
from tests.support.elt import Elt
from tests.support.published import Fill, contacts

FAILED = BuildResult(tests_failed=1, failures={"unique_dim_leads_contact_id": "Got 2 results"})


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a test of each build, and of each `elt publish`, fail."""
    monkeypatch.setattr(dbt_build, "build", lambda *_: FAILED)
    monkeypatch.setattr(dbt_build, "test", lambda *_: FAILED)


@pytest.mark.usefixtures("failing")
def test_a_first_run_whose_tests_fail_publishes_nothing(
    api: ApiServer, elt: Elt, data_dir: Path
) -> None:
    outcome = elt("run")
    assert outcome.exit_code == 1
    assert "  failed: unique_dim_leads_contact_id: Got 2 results\n" in outcome.stdout
    assert "published:" not in outcome.stdout
    assert outcome.stderr.startswith(
        "elt: nothing was published, as models or tests failed: unique_dim_leads_contact_id. "
    )
    assert f"duckdb -readonly {data_dir / 'warehouse.duckdb'}" in outcome.stderr
    assert outcome.stderr.endswith(" Nothing was published before.\n")
    assert len(outcome.stderr.splitlines()) == 1
    assert not (data_dir / "contacts.duckdb").exists()


@pytest.mark.usefixtures("failing")
def test_failed_tests_leave_readers_what_they_have_and_print_what_it_is(
    folder: Folder, fill: Fill, api: ApiServer, elt: Elt
) -> None:
    fill(1)
    first = publish(folder)
    fill(2)
    readers_see = (
        rf" Readers still see version {first.version}, published \d+ minutes? ago with the data of "
        r"one list\.$"
    )

    outcome = elt("run", "--json")

    assert outcome.exit_code == 1
    summary = json.loads(outcome.stdout)
    assert (summary["status"], summary["exit_code"]) == ("failed", 1)
    assert summary["build"]["failures"] == FAILED.failures
    assert summary["published"] == {
        "path": str(folder.path / "contacts.duckdb"),
        "version": first.version,
        "published_at": first.published_at.isoformat(),
        "data_as_of": None,
    }
    assert re.search(readers_see, outcome.stderr)
    assert contacts(folder.path, "select distinct number from dim_leads") == [(1,)]

    outcome = elt("publish")

    assert outcome.exit_code == 1
    assert "failed: unique_dim_leads_contact_id" in outcome.stdout
    assert "published:" not in outcome.stdout
    assert re.search(readers_see, outcome.stderr)
    assert contacts(folder.path, "select distinct number from dim_leads") == [(1,)]

    (folder.path / "parquet" / "published.parquet").unlink()  # what readers have is unreadable

    outcome = elt("publish")

    assert outcome.exit_code == 1
    assert "failed: unique_dim_leads_contact_id" in outcome.stdout
    assert "nothing was published, as models or tests failed" in outcome.stderr


def test_marts_of_an_unfinished_build_are_not_published(
    folder: Folder, fill: Fill, api: ApiServer, elt: Elt
) -> None:
    fill(1)
    with duckdb.connect(str(folder.warehouse)) as warehouse:
        warehouse.execute("create table marts.unfinished_build (begun_at timestamp)")
    outcome = elt("publish")
    assert outcome.exit_code == 1
    assert "the marts may be half new" in outcome.stderr
    assert not (folder.path / "contacts.duckdb").exists()


def test_a_version_that_cannot_be_read_is_reported_with_what_to_do(
    folder: Folder, fill: Fill, api: ApiServer, elt: Elt
) -> None:
    fill(1)
    publish(folder)
    os.truncate(folder.path / "contacts.duckdb", 5000)
    for command in (("export", "dim_leads"), ("forget", "417")):
        outcome = elt(*command)
        assert outcome.exit_code == 1
        assert "What is published cannot be read" in outcome.stderr
        assert "elt publish publishes anew" in outcome.stderr


@pytest.mark.parametrize(
    ("command", "error"),
    [
        ("publish", "There is no warehouse at "),
        ("rollback", "There is no version before "),
        ("dashboard", "Nothing is published in "),
    ],
)
def test_commands_that_need_an_earlier_run_fail_without_one(
    api: ApiServer, elt: Elt, command: str, error: str
) -> None:
    outcome = elt(command)
    assert outcome.exit_code == 1
    assert outcome.stderr.startswith(f"elt: {error}")
    assert len(outcome.stderr.splitlines()) == 1


def test_a_former_version_can_be_published_again(
    folder: Folder, fill: Fill, api: ApiServer, elt: Elt
) -> None:
    fill(1)
    first = publish(folder).version
    fill(2)
    publish(folder)
    outcome = elt("rollback")
    assert (outcome.exit_code, outcome.stderr) == (0, "")
    file = folder.path / "contacts.duckdb"
    assert re.match(
        rf"published: {file}, version {first} again, published \d+ minutes? ago\n", outcome.stdout
    )
    assert contacts(folder.path, "select distinct number from dim_leads") == [(1,)]
    assert api.requests == []


def test_without_its_extra_the_dashboard_command_prints_how_to_install_it(
    folder: Folder, fill: Fill, api: ApiServer, elt: Elt
) -> None:
    fill(1)
    publish(folder)
    outcome = elt("dashboard")
    assert outcome.exit_code == 1
    assert "make dashboard" in outcome.stderr
