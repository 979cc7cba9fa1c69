"""Publishing on PostgreSQL: schemas swap under readers, versions are kept, roles may read them."""

import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import psycopg2
import pytest

from extract import dbt_build
from extract.dbt_build import BuildResult
from extract.engines.session import locked_session
from extract.errors import EltError
from extract.sandbox.server import ApiServer
from publish import schemas
from publish.schemas import publish
from tests.support.databases import as_superuser, ask
from tests.support.elt import Elt, Query
from tests.support.schemas import fill, publish_next, read_through

pytestmark = pytest.mark.xdist_group("postgres")
PASSED = BuildResult(tests_passed=1)
FAILED = BuildResult(tests_failed=1, failures={"unique_dim_leads_contact_id": "Got 2 results"})


@pytest.fixture
def query(on_postgres: str) -> Query:
    """Query the database of this test."""
    return lambda sql: ask(on_postgres, sql)


@pytest.fixture
def passing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the tests of `elt publish` pass, whatever waits to be published."""
    monkeypatch.setattr(dbt_build, "_run", lambda *_: PASSED)


def test_readers_keep_what_they_had_when_a_test_fails(
    on_postgres: str, api: ApiServer, elt: Elt, query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dbt_build, "build", lambda *_: FAILED)
    outcome = elt("run")
    assert outcome.exit_code == 1
    assert "Nothing was published before." in outcome.stderr
    fill(on_postgres, 1)
    version = publish_next(on_postgres).version
    fill(on_postgres, 2)
    monkeypatch.setattr(dbt_build, "_run", lambda *_: FAILED)
    outcome = elt("publish")
    assert outcome.exit_code == 1
    assert f"Readers still see version {version}" in outcome.stderr
    assert query("select count(*) from marts.dim_leads") == [(1,)]


@pytest.mark.usefixtures("passing")
def test_marts_that_wait_are_published_if_their_build_was_finished(
    on_postgres: str, api: ApiServer, elt: Elt, query: Query
) -> None:
    fill(on_postgres, 1)
    publish_next(on_postgres)
    fill(on_postgres, 2)
    ask(on_postgres, "create table marts_next.unfinished_build ()")
    outcome = elt("publish")
    assert outcome.exit_code == 1
    assert "may be half new" in outcome.stderr
    assert query("select count(*) from marts.dim_leads") == [(1,)]
    ask(on_postgres, "drop table marts_next.unfinished_build")
    outcome = elt("publish")
    assert outcome.exit_code == 0, outcome.stderr
    assert query("select count(*) from marts.dim_leads") == [(2,)]
    outcome = elt("publish")
    assert outcome.exit_code == 1
    assert "No marts wait" in outcome.stderr


def test_a_former_version_can_be_published_again_and_old_ones_go(
    on_postgres: str, elt: Elt, query: Query, monkeypatch: pytest.MonkeyPatch, api: ApiServer
) -> None:
    monkeypatch.setenv("ELT__KEEP_VERSIONS", "2")
    versions = {}
    for number in range(1, 5):
        fill(on_postgres, number)
        versions[number] = publish_next(on_postgres).version
    former = "select nspname from pg_namespace where nspname like 'marts_2%' order by 1"
    assert query(former) == [(f"marts_{versions[n].lower()}",) for n in (2, 3)]
    outcome = elt("rollback")
    assert f"version {versions[3]} again" in outcome.stdout
    assert query("select max(n) from marts.dim_users") == [(3,)]
    fill(on_postgres, 5)
    publish_next(on_postgres)
    # what was rolled back never comes again
    assert query(former) == [(f"marts_{versions[n].lower()}",) for n in (2, 3)]
    assert query("select distinct mart, row_count from marts.published order by 1") == [
        ("dim_leads", 5),
        ("dim_users", 5),
        ("fct_loads", 1),
    ]
    for _ in range(2):
        assert elt("rollback").exit_code == 0
    outcome = elt("rollback")
    assert outcome.exit_code == 1
    assert "There is no version before" in outcome.stderr


def test_a_schema_of_somebody_else_is_not_replaced(on_postgres: str, query: Query) -> None:
    ask(on_postgres, "create schema marts; create table marts.theirs as select 1 as n")
    fill(on_postgres, 1)
    with pytest.raises(EltError, match="not ours"):
        publish_next(on_postgres)
    assert query("select n from marts.theirs") == [(1,)]


def test_every_read_through_a_few_publications_is_whole_and_of_one_version(
    on_postgres: str,
) -> None:
    """`make test-slow` tries many."""
    read_through(on_postgres, publications=5)


def test_a_transaction_that_has_begun_reads_one_version_to_its_end(
    on_postgres: str, query: Query
) -> None:
    fill(on_postgres, 1)
    publish_next(on_postgres)
    fill(on_postgres, 2)
    with (
        closing(psycopg2.connect(on_postgres)) as reader,
        reader.cursor() as cursor,
        ThreadPoolExecutor(1) as publisher,
    ):
        cursor.execute("select max(n) from marts.dim_users")
        publication = publisher.submit(publish_next, on_postgres)
        while not publication.done() and not query("select 1 from pg_locks where not granted"):
            pass  # until it waits for the reader
        cursor.execute("select max(n) from marts.fct_loads")
        assert cursor.fetchall() == [(1,)]
        reader.commit()
        publication.result()
    assert query("select max(n) from marts.fct_loads") == [(2,)]


def test_a_reader_that_does_not_end_holds_nothing_up(
    on_postgres: str, query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schemas, "SWAP_ATTEMPTS", 2)
    monkeypatch.setattr(schemas, "DROP_WAIT", "1ms")
    monkeypatch.setenv("ELT__KEEP_VERSIONS", "1")
    fill(on_postgres, 1)
    with locked_session(on_postgres, "it") as session:
        first = publish(session, "it").version
        with closing(psycopg2.connect(on_postgres)) as reader, reader.cursor() as cursor:
            cursor.execute("select count(*) from marts.dim_leads")
            for number in (2, 3):
                fill(on_postgres, number)
                publish(session, "it")
            assert query("select max(n) from marts.dim_leads") == [(3,)]
            assert query(f"select count(*) from marts_{first}.dim_leads") == [(1,)]
        fill(on_postgres, 4)
        publish(session, "it")
    assert query(f"select to_regnamespace('marts_{first.lower()}')") == [(None,)]


@pytest.mark.usefixtures("passing")
def test_a_role_may_be_let_read_each_version(
    on_postgres: str, api: ApiServer, elt: Elt, monkeypatch: pytest.MonkeyPatch
) -> None:
    role = f"bi-{uuid.uuid4().hex}"  # is the server's, not the database's
    monkeypatch.setenv("ELT__READERS_GROUP", role)
    fill(on_postgres, 1)
    outcome = elt("publish")
    assert outcome.exit_code == 2
    assert f'create role "{role}"' in outcome.stderr
    ask(as_superuser(on_postgres), f"create role \"{role}\" login password 'secret'")
    reader = on_postgres.replace("contacts:secret", f"{role}:secret")
    for number in (1, 2):
        outcome = elt("publish")
        assert outcome.exit_code == 0, outcome.stderr
        assert ask(reader, "select max(n) from marts.dim_users") == [(number,)]
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            ask(reader, "drop table marts.dim_users")
        fill(on_postgres, 2)


def test_what_is_no_mart_is_not_published_and_stops_nothing(on_postgres: str, query: Query) -> None:
    for number in (1, 2):
        fill(on_postgres, number)
        ask(on_postgres, "create table marts_next.dim_of_an_earlier_release (n int)")
        publish_next(on_postgres)
        ask(as_superuser(on_postgres), "create table marts.notes as select 1 as n")
    assert query("select max(n) from marts.dim_users") == [(2,)]
    assert query("select to_regclass('marts.dim_of_an_earlier_release')") == [(None,)]


@pytest.mark.parametrize(
    ("result", "message"),
    [(PASSED, "held the lock"), (FAILED, "unique_dim_leads_contact_id")],
)
def test_a_lock_that_is_lost_while_dbt_runs_publishes_nothing(
    on_postgres: str,
    api: ApiServer,
    elt: Elt,
    query: Query,
    monkeypatch: pytest.MonkeyPatch,
    result: BuildResult,
    message: str,
) -> None:
    def run(*_: object) -> BuildResult:
        ask(
            on_postgres,
            "select pg_terminate_backend(pid) from pg_stat_activity "
            "where application_name like 'contacts-elt%' and datname = current_database()",
        )
        return result

    fill(on_postgres, 1)
    monkeypatch.setattr(dbt_build, "_run", run)
    outcome = elt("publish")
    assert outcome.exit_code == 1
    assert message in outcome.stderr
    assert query("select to_regnamespace('marts')") == [(None,)]
