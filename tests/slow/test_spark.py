"""The same project on a Spark cluster: files that only grow, modelled by several processes."""

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from extract import dbt_build
from extract.dbt_build import BuildResult
from extract.sandbox.server import ApiServer
from tests.support.builders import Lists, lead, user
from tests.support.dbt import dbt_in_children
from tests.support.elt import Elt, Query
from tests.support.jobs import bring_what_changed, contacts, refuse_what_is_dangerous
from tests.support.macros import macros
from tests.support.spark import SparkCluster, spark_cluster
from tests.support.spellings import check_spellings

pytestmark = pytest.mark.spark


@pytest.fixture(scope="module")
def cluster() -> Iterator[SparkCluster]:
    """A master, two workers and a Thrift server."""
    with spark_cluster(workers=2) as cluster:
        yield cluster


@pytest.fixture(autouse=True)
def lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let commands of `elt` work on an empty lake."""
    monkeypatch.setenv("ELT__DESTINATION", "spark")
    monkeypatch.setenv("DESTINATION__FILESYSTEM__BUCKET_URL", str(tmp_path / "my läke"))
    return tmp_path / "my läke"


@pytest.fixture
def with_dbt(tmp_path: Path) -> Iterator[None]:
    """Run dbt in forked children; the first of a test parses the project for Spark."""
    with dbt_in_children(tmp_path, parsed=None):
        yield


@pytest.fixture
def query(cluster: SparkCluster, monkeypatch: pytest.MonkeyPatch) -> Query:
    """Query the cluster, and let commands of `elt` find it."""
    from pyhive import hive

    monkeypatch.setenv("DESTINATION__SPARK__HOST", cluster.host)
    monkeypatch.setenv("DESTINATION__SPARK__PORT", str(cluster.port))

    def ask(sql: str) -> list[tuple[Any, ...]]:
        server = hive.connect(cluster.host, cluster.port, username="test")
        with server, server.cursor() as cursor:
            cursor.execute(sql)
            rows: list[tuple[Any, ...]] = cursor.fetchall()
            return rows

    return ask


@pytest.mark.usefixtures("with_dbt")
def test_runs_load_and_build_what_changed(
    lists: Lists, api: ApiServer, elt: Elt, query: Query
) -> None:
    bring_what_changed(lists, elt, query)
    marts = {name for _, name, _ in query("show tables in marts")}
    assert len(marts) == 12
    assert not {"fct_contact_changes", "fct_contacts_daily", "unfinished_build"} & marts
    # nothing was ever changed in the files, but what is gone does not count
    assert query("select count(*) > 6, count(distinct user_id) from raw.users") == [(True, 4)]
    assert query("select user_id from staging.stg_analytics_api__users order by 1") == [
        ("u1",),
        ("u3",),
        ("u99",),
    ]
    outcome = elt("check")
    assert outcome.exit_code == 0, outcome.stdout
    outcome = elt("publish")
    assert outcome.exit_code == 1
    assert "readers see what elt run builds" in outcome.stderr


def test_timestamps_numbers_flags_and_e_mails_are_read_in_all_spellings(query: Query) -> None:
    check_spellings(
        macros("spark"),
        query,
        lambda text: "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'",
    )


@pytest.mark.usefixtures("with_dbt")
def test_rows_of_a_run_that_was_refused_are_no_history(
    lists: Lists, api: ApiServer, elt: Elt, query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    lists["leads"], lists["users"] = [lead(1), lead(77)], [user("u2", 2), user("u3", 3)]
    with monkeypatch.context() as in_between:
        in_between.setattr(dbt_build, "build", lambda *_: BuildResult())
        assert elt("run").exit_code == 0
        listed = dict(lists)
        lists["leads"], lists["users"] = [lead(2), lead(88)], []
        assert "--allow-shrink" in elt("run", "--full-refresh").stderr
    lists |= listed
    lists["leads"] = [lead(1)]
    assert elt("run", "--allow-shrink").exit_code == 0
    assert contacts(query) == [
        ("1", "lead1@example.com", "lead"),
        ("2", "u2@example.com", "direct_user"),
        ("3", "u3@example.com", "direct_user"),
    ]
    assert query("select contact_id from snapshots.snap_lead_ids order by 1") == [("1",), ("77",)]


def test_the_guards_work_there(
    lists: Lists, api: ApiServer, elt: Elt, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dbt_build, "build", lambda *_: BuildResult())
    refuse_what_is_dangerous(lists, elt, monkeypatch)


def test_what_a_killed_load_left_is_removed(
    lists: Lists, api: ApiServer, elt: Elt, lake: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dbt_build, "build", lambda *_: BuildResult())
    lists["leads"] = [lead(1)]
    assert elt("run").exit_code == 0
    (whole,) = (lake / "raw" / "leads").glob("*.parquet")
    half = whole.with_name("1700000000.5.abc.parquet")
    half.write_bytes(whole.read_bytes()[:100])
    outcome = elt("run", "--json")
    assert outcome.exit_code == 0, outcome.stderr
    assert json.loads(outcome.stdout)["tables"]["leads"]["rows_new"] == 0
    assert not half.exists()
    assert whole.exists()


def test_a_lake_that_cannot_be_trusted_is_reported(
    lists: Lists, api: ApiServer, elt: Elt, lake: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dbt_build, "build", lambda *_: BuildResult())
    lists["leads"] = [lead(1)]
    assert elt("run").exit_code == 0
    with monkeypatch.context() as behind:
        behind.setattr("extract.engines.spark.time", SimpleNamespace(time=lambda: 1.7e9))
        outcome = elt("run")
    assert outcome.exit_code == 1
    assert "clock of this machine is behind the last load" in outcome.stderr
    for file in (lake / "raw" / "leads").glob("*.parquet"):
        file.unlink()
    outcome = elt("run")
    assert outcome.exit_code == 1
    assert "The files of leads are gone" in outcome.stderr
    monkeypatch.setenv("DESTINATION__FILESYSTEM__BUCKET_URL", "s3://what's/this")
    assert elt("run").exit_code == 2


def test_a_failed_test_is_reported_with_its_exit_code(
    lists: Lists, api: ApiServer, elt: Elt, query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    lists["leads"] = [lead(1)]
    monkeypatch.setattr(
        dbt_build, "build", lambda *_: BuildResult(failures={"unique_dim_leads_contact_id": "2"})
    )
    outcome = elt("run")
    assert outcome.exit_code == 1
    assert "models or tests failed: unique_dim_leads_contact_id" in outcome.stderr
    assert "Readers see marts that may be half new" in outcome.stderr


def test_a_server_that_does_not_answer_is_reported(
    lists: Lists, api: ApiServer, elt: Elt, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DESTINATION__SPARK__PORT", "1")
    outcome = elt("check")
    assert outcome.exit_code == 1
    assert "Spark's Thrift server does not answer at 127.0.0.1:1" in outcome.stdout


def test_a_lake_without_a_place_is_reported(elt: Elt, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DESTINATION__FILESYSTEM__BUCKET_URL")
    outcome = elt("run")
    assert outcome.exit_code == 2
    assert "bucket_url" in outcome.stderr
