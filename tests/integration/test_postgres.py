"""Loads into a PostgreSQL database: guards, the lock, rows of any size, what is refused."""

from contextlib import closing
from pathlib import Path

import psycopg2
import pytest

from extract import dbt_build, settings
from extract.dbt_build import BuildResult
from extract.engines.session import LOCK, locked_session
from extract.sandbox.server import ApiServer, ListRequest
from publish import schemas
from tests.support.builders import Lists, at, leads
from tests.support.databases import as_superuser, ask
from tests.support.elt import Elt, Query
from tests.support.jobs import load_wide_and_large_rows, refuse_what_is_dangerous

pytestmark = pytest.mark.xdist_group("postgres")
OUR_SESSIONS = (
    "from pg_stat_activity "
    "where application_name like 'contacts-elt%' and datname = current_database()"
)


@pytest.fixture
def query(on_postgres: str) -> Query:
    """Query the database of this test."""
    return lambda sql: ask(on_postgres, sql)


@pytest.fixture
def without_build(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the stages after loading."""
    monkeypatch.setattr(dbt_build, "build", lambda *_: BuildResult())
    monkeypatch.setattr(schemas, "publish", lambda *_: None)


@pytest.mark.usefixtures("without_build")
def test_the_guards_work_there(
    on_postgres: str,
    lists: Lists,
    api: ApiServer,
    elt: Elt,
    query: Query,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    refuse_what_is_dangerous(lists, elt, monkeypatch)
    assert query("select crmhero_user_id from raw.leads order by 1") == [(11,), (12,)]
    assert query("select count(*) from raw.rejected_rows") == [(1,)]


@pytest.mark.usefixtures("without_build")
def test_rows_of_any_size_and_width_are_loaded(
    on_postgres: str,
    lists: Lists,
    api: ApiServer,
    elt: Elt,
    query: Query,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # few rows need more than this; `make test-slow` loads many, which need more than usual
    monkeypatch.setattr(settings, "LIMITS", {"memory_limit": "16MiB", "threads": "1"})
    load_wide_and_large_rows(lists, elt, query, large=3)


@pytest.mark.usefixtures("without_build")
def test_a_second_run_ends_at_once_wherever_it_is(
    on_postgres: str,
    lists: Lists,
    api: ApiServer,
    elt: Elt,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lists["leads"] = leads(1)
    with locked_session(on_postgres, "it"):
        monkeypatch.setenv("ELT__DATA_DIR", str(tmp_path / "elsewhere"))
        outcome = elt("run")
        assert outcome.exit_code == 3
        assert "Another run (process " in outcome.stderr
        assert len(api.requests) == 0
    assert elt("run").exit_code == 0


def test_the_next_run_may_begin_as_soon_as_one_has_ended(on_postgres: str) -> None:
    with closing(psycopg2.connect(on_postgres)) as next_run, next_run.cursor() as cursor:
        for _ in range(20):
            with locked_session(on_postgres, "it"):
                pass
            cursor.execute("select pg_try_advisory_lock(%s)", [LOCK])
            assert cursor.fetchone() == (True,)
            cursor.execute("select pg_advisory_unlock(%s)", [LOCK])


@pytest.mark.usefixtures("without_build")
def test_a_lock_that_is_lost_while_pages_are_read_ends_the_run_before_it_loads(
    on_postgres: str, lists: Lists, api: ApiServer, elt: Elt, query: Query
) -> None:
    def lose_the_lock(_: ListRequest) -> None:
        assert query(f"select pg_terminate_backend(pid) {OUR_SESSIONS}") == [(True,)]

    lists["leads"] = leads(1)
    api.fault = at(lose_the_lock, "users", times=1)
    outcome = elt("run")
    assert outcome.exit_code == 1
    assert "held the lock" in outcome.stderr
    assert query("select to_regclass('raw.leads')") == [(None,)]


@pytest.mark.parametrize(
    ("find", "put", "exit_code", "message"),
    [
        ("secret", "wrong", 2, "password authentication failed"),
        ("/contacts_of", "/nothere", 2, "does not exist"),
        ("postgresql:", "mysql:", 2, "no database is named"),
        ("@127.0.0.1:", "@127.0.0.1:1", 1, "does not answer"),
    ],
)
def test_a_server_that_refuses_is_reported_in_a_line(
    on_postgres: str,
    api: ApiServer,
    elt: Elt,
    monkeypatch: pytest.MonkeyPatch,
    find: str,
    put: str,
    exit_code: int,
    message: str,
) -> None:
    url = on_postgres.replace(find, put, 1)
    assert url != on_postgres
    if put == "@127.0.0.1:1":
        url = url.replace(url.rpartition(":")[2].partition("/")[0], "1")
    monkeypatch.setenv("DESTINATION__POSTGRES__CREDENTIALS", url)
    for command in ("run", "check"):
        outcome = elt(command)
        assert outcome.exit_code == exit_code
        assert message in outcome.stdout + outcome.stderr
        assert "secret" not in (outcome.stdout + outcome.stderr).replace("secrets.toml", "")
        if command == "run":
            assert len(outcome.stderr.splitlines()) == 1


def test_a_user_that_may_not_make_schemas_is_refused_with_what_to_grant(
    on_postgres: str, elt: Elt, monkeypatch: pytest.MonkeyPatch, api: ApiServer
) -> None:
    ask(as_superuser(on_postgres), "create role poor login password 'secret'")
    url = on_postgres.replace("contacts:secret", "poor:secret")
    monkeypatch.setenv("DESTINATION__POSTGRES__CREDENTIALS", url)
    outcome = elt("run")
    assert outcome.exit_code == 2
    assert "grant create on database" in outcome.stderr


@pytest.mark.parametrize("command", [("export", "dim_leads"), ("dashboard",), ("forget", "1")])
def test_commands_for_files_name_the_page_that_describes_what_to_do(
    on_postgres: str, elt: Elt, api: ApiServer, command: tuple[str, ...]
) -> None:
    outcome = elt(*command)
    assert outcome.exit_code == 1
    assert "docs/engines.md" in outcome.stderr


@pytest.mark.parametrize(
    ("name", "message"),
    [("oracle", "is none of duckdb, postgres"), ("postgres", "make postgres")],
)
def test_a_destination_that_is_missing_is_reported_with_how_to_install_it(
    elt: Elt, api: ApiServer, monkeypatch: pytest.MonkeyPatch, name: str, message: str
) -> None:
    monkeypatch.setenv("ELT__DESTINATION", name)
    monkeypatch.setattr("extract.engines.is_installed", lambda _: False)
    for command in ("run", "check"):
        outcome = elt(command)
        assert outcome.exit_code == 2
        assert message in outcome.stdout + outcome.stderr
