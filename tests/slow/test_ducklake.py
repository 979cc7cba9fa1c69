"""The same project on DuckLake, with several writers and readers at once."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import pytest

from extract import dbt_build
from extract.dbt_build import BuildResult
from extract.engines.session import locked_session
from extract.sandbox.server import ApiServer
from publish import tables
from tests.support.builders import Lists, leads
from tests.support.dbt import dbt_in_children
from tests.support.elt import Elt, Query
from tests.support.jobs import bring_what_changed, refuse_what_is_dangerous

pytestmark = pytest.mark.ducklake
FAILED = BuildResult(tests_failed=1, failures={"unique_dim_leads_contact_id": "Got 2 results"})


@pytest.fixture(autouse=True)
def on_ducklake(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Let commands of `elt` work on an empty lake, and return the URL of its catalog."""
    monkeypatch.setenv("ELT__DESTINATION", "ducklake")
    monkeypatch.setenv("DESTINATION__DUCKLAKE__CREDENTIALS__CATALOG", database)
    place = str(tmp_path / "lake")
    monkeypatch.setenv("DESTINATION__DUCKLAKE__CREDENTIALS__STORAGE__BUCKET_URL", place)
    return database


@contextmanager
def attached(catalog: str, data_dir: Path, *options: str) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open the lake as another program does."""
    config: dict[str, Any] = {"extension_directory": str(data_dir / "extensions")}
    with duckdb.connect(config=config) as connection:
        options = ("metadata_schema 'contacts'", *options)
        connection.execute(
            f"attach 'ducklake:postgres:{catalog}' as contacts ({', '.join(options)}); use contacts"
        )
        yield connection


@pytest.fixture
def query(on_ducklake: str, data_dir: Path) -> Query:
    """Query the lake of this test."""

    def ask(sql: str) -> list[tuple[Any, ...]]:
        with attached(on_ducklake, data_dir, "read_only") as connection:
            return connection.execute(sql).fetchall()

    return ask


@pytest.fixture
def with_dbt(tmp_path: Path) -> Iterator[None]:
    """Run dbt in forked children; the first of a test parses the project for DuckLake."""
    with dbt_in_children(tmp_path, parsed=None):
        yield


@pytest.fixture
def without_build(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the models as they are."""
    monkeypatch.setattr(dbt_build, "build", lambda *_: BuildResult())
    monkeypatch.setattr(tables, "publish", lambda *_: None)


def fill(connection: duckdb.DuckDBPyConnection, number: int) -> None:
    """Make marts to publish, of so many rows, each with this number."""
    connection.execute("create schema if not exists marts_next")
    for mart in ("dim_leads", "dim_users"):
        connection.execute(
            f"create or replace table marts_next.{mart} as "
            f"select {number} as n from range({number})"
        )
    connection.execute(
        f"create or replace table marts_next.fct_loads as select {number} as n, "
        "timestamp '2026-06-01' as finished_at, 1 as leads_rows_read, null::int as users_rows_read"
    )
    connection.execute(f"comment on table marts_next.dim_leads is 'of {number}'")
    connection.execute(f"comment on column marts_next.dim_leads.n is 'number {number}'")


@pytest.mark.usefixtures("with_dbt")
def test_runs_load_build_and_publish_what_changed(
    lists: Lists, api: ApiServer, elt: Elt, query: Query
) -> None:
    bring_what_changed(lists, elt, query)
    deleted = "select contact_id from marts.fct_contact_changes where change_type = 'deleted'"
    assert query(deleted) == [("4",)]
    assert query("select count(*) from raw.users") == [(3,)]
    published = "select row_count, data_as_of is not null from marts.published"
    assert query(f"{published} where mart = 'dim_contacts'") == [(5, True)]
    (commented,) = query(
        "select count(comment) = count(*) from duckdb_columns() "
        "where database_name = 'contacts' and schema_name = 'marts'"
    )
    assert commented == (True,)
    # what was built can be tested and published again
    assert elt("publish").exit_code == 0


@pytest.mark.usefixtures("without_build")
def test_the_guards_work_there(
    lists: Lists, api: ApiServer, elt: Elt, query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse_what_is_dangerous(lists, elt, monkeypatch)
    assert query("select crmhero_user_id from raw.leads order by 1") == [(11,), (12,)]
    assert query("select count(*) from raw.rejected_rows") == [(1,)]


@pytest.mark.usefixtures("without_build")
def test_a_second_run_ends_at_once_wherever_it_is(
    on_ducklake: str, lists: Lists, api: ApiServer, elt: Elt
) -> None:
    lists["leads"] = leads(1)
    with locked_session(on_ducklake, "it"):
        outcome = elt("run")
        assert outcome.exit_code == 3
        assert "Another run (process " in outcome.stderr
    assert elt("run").exit_code == 0


def test_readers_keep_what_they_had_when_a_test_fails(
    lists: Lists, api: ApiServer, elt: Elt, query: Query, data_dir: Path, on_ducklake: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(dbt_build, "build", lambda *_: FAILED)
    outcome = elt("run")
    assert outcome.exit_code == 1
    assert "Nothing was published before" in outcome.stderr
    with attached(on_ducklake, data_dir) as lake:
        fill(lake, 1)
        version = tables.publish(lake, "it").version
        fill(lake, 2)
    outcome = elt("run")
    assert outcome.exit_code == 1
    assert f"Readers still see version {version}" in outcome.stderr
    assert query("select count(*) from marts.dim_leads") == [(1,)]


# reads again and again, in one query and in one transaction; each read must be of one version
READER = """
import sys
from pathlib import Path
import duckdb

catalog, extensions, stop = sys.argv[1:]
config = {"extension_directory": extensions}
with duckdb.connect(config=config) as lake:
    lake.execute("set enable_progress_bar = false")
    lake.execute(f"attach 'ducklake:postgres:{catalog}' as contacts "
        "(metadata_schema 'contacts', read_only); use contacts")
    seen, reads, is_last = set(), 0, False
    while True:
        lake.execute("begin")
        numbers = set(lake.execute("select (select count(*) from marts.dim_leads), (select max(n) "
            "from marts.dim_users), (select max(n) from marts.fct_loads), (select row_count from "
            "marts.published where mart = 'dim_users')").fetchone())
        for table in ("dim_users", "fct_loads", "dim_leads"):
            numbers |= set(lake.execute(f"select max(n) from marts.{table}").fetchone())
        lake.execute("commit")
        (number,) = numbers
        seen.add(number)
        reads += 1
        if reads == 1:
            print("ready", flush=True)
        if is_last:
            break
        is_last = Path(stop).exists()
print(max(seen), flush=True)
"""
# writes a table of its own, and into one that another writes, too
WRITER = """
import sys
import duckdb

catalog, extensions, name = sys.argv[1:]
config = {"extension_directory": extensions}
with duckdb.connect(config=config) as lake:
    lake.execute("set enable_progress_bar = false")
    lake.execute(f"attach 'ducklake:postgres:{catalog}' as contacts (metadata_schema 'contacts'); "
        "use contacts")
    for number in range(10):
        lake.execute(f"create or replace table theirs.{name} as select {number} as n")
        lake.execute(f"insert into theirs.all_writers values ('{name}', {number})")
"""


def test_several_writers_and_readers_at_once(on_ducklake: str, data_dir: Path, elt: Elt) -> None:
    versions = 8
    assert elt("check").exit_code == 0  # makes the lake
    extensions, stop = str(data_dir / "sandbox" / "extensions"), str(data_dir / "stop")

    def start(code: str, argument: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", code, on_ducklake, extensions, argument],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    with attached(on_ducklake, data_dir / "sandbox") as lake:
        lake.execute("create schema theirs; create table theirs.all_writers (name text, n int)")
        fill(lake, 1)
        tables.publish(lake, "it")
        readers = [start(READER, stop) for _ in range(2)]
        for reader in readers:
            assert reader.stdout
            assert reader.stdout.readline() == "ready\n"
        writers = [start(WRITER, name) for name in ("one", "two")]
        for number in range(2, versions + 1):
            fill(lake, number)
            tables.publish(lake, "it")
        for writer in writers:
            assert writer.communicate(timeout=120) == ("", "")
        Path(stop).touch()
        for reader in readers:
            assert reader.communicate(timeout=60) == (f"{versions}\n", "")
        assert lake.execute(
            "select name, count(*), sum(n) from theirs.all_writers group by name order by name"
        ).fetchall() == [("one", 10, 45), ("two", 10, 45)]
        assert lake.execute(
            "select comment from duckdb_tables() where schema_name = 'marts' and comment like 'of%'"
        ).fetchall() == [(f"of {versions}",)]


def test_what_is_no_mart_is_not_published(on_ducklake: str, data_dir: Path, elt: Elt) -> None:
    assert elt("check").exit_code == 0  # makes the lake
    with attached(on_ducklake, data_dir / "sandbox") as lake:
        fill(lake, 1)
        lake.execute("create table marts_next.dim_of_an_earlier_release as select 1 as n")
        tables.publish(lake, "it")
        found = lake.execute("select table_name from duckdb_tables() where schema_name = 'marts'")
        assert sorted(found.fetchall()) == [
            (name,) for name in ("dim_leads", "dim_users", "fct_loads", "published")
        ]


def test_extensions_of_another_duckdb_are_refused_with_how_to_install_them(
    elt: Elt, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(duckdb, "__version__", "9.9.9")
    outcome = elt("run")
    assert outcome.exit_code == 2
    assert "make ducklake" in outcome.stderr


def test_a_catalog_that_is_not_named_is_reported(elt: Elt, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DESTINATION__DUCKLAKE__CREDENTIALS__CATALOG")
    outcome = elt("run")
    assert outcome.exit_code == 2
    assert "its place or its catalog is not named" in outcome.stderr


def test_a_wrong_password_is_reported_without_it(
    on_ducklake: str, elt: Elt, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = on_ducklake.replace(":secret@", ":wrong-word@")
    monkeypatch.setenv("DESTINATION__DUCKLAKE__CREDENTIALS__CATALOG", wrong)
    for command in ("run", "check"):
        outcome = elt(command)
        assert outcome.exit_code == 2
        printed = outcome.stdout + outcome.stderr
        assert "password authentication failed" in printed
        assert "wrong-word" not in printed
