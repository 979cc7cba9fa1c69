"""The same project on a PostgreSQL server: runs, what readers see, the lock, what is refused."""

import json
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
import psycopg2
import pytest

from extract import dbt_build, settings
from extract.dbt_build import BuildResult
from extract.engines.session import locked_session
from extract.sandbox.server import ApiServer
from publish import schemas
from publish.schemas import publish
from tests.builders import Lists, lead, leads, user
from tests.conftest import Elt, Query
from tests.engines.conftest import ask
from tests.engines.jobs import bring_what_changed, refuse_what_is_dangerous

FAILED = BuildResult(tests_failed=1, failures={"unique_dim_leads_contact_id": "Got 2 results"})
ODD: list[dict[str, Any]] = [
    {"attributes": []},
    {"attributes": None, "latitude": "91", "spam": "yes"},
    {"attributes": {"n": 1.50, "b": True, "l": [1, "x"], "o": {"k": None}, "": "", " t ": "\tt "}},
    {"attributes": {"create_date": "2024-02-30", "sub_active": "FALSE", "role": " admin "}},
    {"create_date": "2024-02-29T23:59:59.5+13:45", "unsubscribe": "T", "nps_vote": "1e1"},
    {"create_date": '"1719403121"', "last_activity": "infinity", "first_seen_at": 1e300},
    {"name": "nul \x00", "attributes": {"nul\x00": "\x00\x00 \\u0000"}, "bounce": "0.0"},
    {"name": "\u2028\u00a0zürich 日本", "country": "Åland", "latitude": "٣", "last_update": None},
]
COMPARED = (
    *("dim_contacts", "dim_leads", "dim_users", "dim_attributes"),
    *("fct_contact_attributes", "fct_audience_by_country"),
)
OF_A_RUN = (  # by when it was
    *("loaded_at", "first_contact_at", "signed_up_at", "converted_at", "nps_voted_at"),
    *("waiting_days", "days_to_convert"),
)


@pytest.fixture
def without_build(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the models as they are."""
    monkeypatch.setattr(dbt_build, "build", lambda *_: BuildResult())
    monkeypatch.setattr(schemas, "publish", lambda *_: None)


def fill(url: str, number: int) -> None:
    """Build marts by hand, of so many rows."""
    ask(
        url,
        f"""
        create schema marts_next;
        create table marts_next.dim_leads as select {number} as n from generate_series(1, {number});
        create table marts_next.dim_users as select {number} as n from generate_series(1, {number});
        create table marts_next.fct_loads as
        select {number} as n, timestamp '2026-06-01' as finished_at, 1 as leads_rows_read,
            cast(null as int) as users_rows_read;
        """,
    )


def dbt(
    url: str, command: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> subprocess.CompletedProcess[str]:
    """Run dbt by hand on a database."""
    for name, value in psycopg2.extensions.parse_dsn(url).items():
        name = {"user": "username", "dbname": "database"}.get(name, name)
        monkeypatch.setenv(f"DLT__CREDENTIALS__{name.upper()}", value)
    options = ("--profile", "postgres", "--profiles-dir", ".", "--quiet")
    places = ("--target-path", str(folder), "--log-path", str(folder))
    return subprocess.run(
        [sys.executable, "-m", "dbt.cli.main", command, *options, *places],
        cwd=settings.ROOT / "transform",
        capture_output=True,
        text=True,
        check=False,
    )


def test_runs_load_build_and_publish_what_changed(
    on_postgres: str, lists: Lists, api: ApiServer, elt: Elt, query: Query
) -> None:
    bring_what_changed(lists, elt, query)
    deleted = "select contact_id from marts.fct_contact_changes where change_type = 'deleted'"
    assert query(deleted) == [("4",)]
    assert query("select count(*) from raw.users") == [(2,)]
    published = "select row_count, data_as_of is not null from marts.published"
    assert query(f"{published} where mart = 'dim_contacts'") == [(3, True)]


def test_the_marts_are_those_of_duckdb_and_all_dbt_tests_pass(
    on_postgres: str,
    lists: Lists,
    api: ApiServer,
    elt: Elt,
    query: Query,
    data_dir: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lists["leads"] = [lead(n, n, **fields) for n, fields in enumerate(ODD)]
    lists["users"] = [user(f"u{n}", 100 + n, n, **fields) for n, fields in enumerate(ODD)]
    assert elt("run").exit_code == 0
    with monkeypatch.context() as on_duckdb:
        on_duckdb.setenv("ELT__DESTINATION", "duckdb")
        assert elt("run").exit_code == 0
    with duckdb.connect(str(data_dir / "contacts.duckdb"), read_only=True) as published:
        marts = published.sql("select mart from published order by 1").fetchall()
        assert query("select mart from marts.published order by 1") == marts
        for mart in COMPARED:
            columns = ", ".join(
                name
                for (name,) in query(
                    "select column_name from information_schema.columns "
                    f"where table_schema = 'marts' and table_name = '{mart}'"
                )
                if name not in OF_A_RUN
            )
            mine = query(f"select {columns} from marts.{mart}")
            theirs = published.sql(f"select {columns} from {mart}").fetchall()
            assert mine, mart
            assert sorted(map(repr, mine)) == sorted(
                repr(row).replace("\\x00", "\ufffd") for row in theirs
            )

    # by hand, on what readers see, with the tests of the models' logic, which no run makes
    tested = dbt(on_postgres, "test", tmp_path, monkeypatch)
    assert tested.returncode == 0, tested.stdout
    results = json.loads((tmp_path / "run_results.json").read_text())["results"]
    assert sum(result["unique_id"].startswith("unit_test.") for result in results) > 60


def test_a_build_by_hand_does_not_go_where_readers_look(
    on_postgres: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, query: Query
) -> None:
    built = dbt(on_postgres, "build", tmp_path, monkeypatch)
    assert built.returncode != 0
    assert "CONTACTS_MARTS=marts_next" in built.stdout
    assert query("select count(*) from pg_tables where schemaname = 'marts'") == [(0,)]


def test_readers_keep_what_they_had_when_a_test_fails(
    on_postgres: str,
    lists: Lists,
    api: ApiServer,
    elt: Elt,
    query: Query,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fill(on_postgres, 1)
    with locked_session(on_postgres, "it") as session:
        version = publish(session, "it").version
    lists["leads"] = leads(2)
    fill(on_postgres, 2)
    monkeypatch.setattr(dbt_build, "build", lambda *_: FAILED)
    outcome = elt("run")
    assert outcome.exit_code == 1
    assert f"Readers still see version {version}" in outcome.stderr
    assert query("select count(*) from marts.dim_leads") == [(1,)]
    monkeypatch.setattr(dbt_build, "_run", lambda *_: BuildResult(tests_passed=1))
    ask(on_postgres, "create table marts_next.unfinished_build ()")
    outcome = elt("publish")
    assert outcome.exit_code == 1
    assert "may be half new" in outcome.stderr
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
        with locked_session(on_postgres, "it") as session:
            versions[number] = publish(session, "it").version
    former = "select nspname from pg_namespace where nspname like 'marts_2%' order by 1"
    assert query(former) == [(f"marts_{versions[n].lower()}",) for n in (2, 3)]
    outcome = elt("rollback")
    assert f"version {versions[3]} again" in outcome.stdout
    assert query("select max(n) from marts.dim_users") == [(3,)]
    fill(on_postgres, 5)
    with locked_session(on_postgres, "it") as session:
        publish(session, "it")
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


def test_a_schema_of_somebody_else_is_not_taken_for_ours(on_postgres: str, query: Query) -> None:
    ask(on_postgres, "create schema marts; create table marts.theirs as select 1 as n")
    fill(on_postgres, 1)
    with locked_session(on_postgres, "it") as session, pytest.raises(Exception, match="not ours"):
        publish(session, "it")
    assert query("select n from marts.theirs") == [(1,)]


# reads again and again, in one query and in one transaction; each read must be of one version
READER = """
import sys, time
import psycopg2

session = psycopg2.connect(sys.argv[1])
seen, reads, is_last = set(), 0, False
while True:
    with session, session.cursor() as cursor:
        if sys.argv[2] == "query":
            cursor.execute("select (select count(*) from marts.dim_leads), (select max(n) from "
                "marts.dim_users), (select max(n) from marts.fct_loads), (select row_count from "
                "marts.published where mart = 'dim_users')")
            (numbers,) = {frozenset(cursor.fetchone())}
        else:
            numbers = set()
            for table in ("dim_users", "fct_loads", "dim_leads"):
                cursor.execute(f"select max(n) from marts.{table}")
                numbers |= set(cursor.fetchone())
    (number,) = numbers
    seen.add(number)
    reads += 1
    if reads == 1:
        print("ready", flush=True)
    if is_last:
        break
    with session, session.cursor() as cursor:
        cursor.execute("select count(*) from stop")
        is_last = cursor.fetchone() == (1,)
print(max(seen), flush=True)
"""


def test_every_read_through_30_publications_is_whole_and_of_one_version(
    on_postgres: str, query: Query
) -> None:
    ask(on_postgres, "create table stop (n int)")
    fill(on_postgres, 1)
    with locked_session(on_postgres, "it") as session:
        publish(session, "it")
        readers = [
            subprocess.Popen(
                [sys.executable, "-c", READER, on_postgres, kind],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            for kind in ("query", "query", "transaction")
        ]
        try:
            for reader in readers:
                assert reader.stdout
                assert reader.stdout.readline() == "ready\n"
            for number in range(2, 31):
                fill(on_postgres, number)
                publish(session, "it")
            ask(on_postgres, "insert into stop values (1)")
            for reader in readers:
                said, errors = reader.communicate(timeout=60)
                assert (said, errors) == ("30\n", "")
        finally:
            for reader in readers:
                reader.kill()


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


def test_a_role_may_be_let_read_each_version(
    on_postgres: str,
    server: str,
    lists: Lists,
    api: ApiServer,
    elt: Elt,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    role = f"bi-{on_postgres.rpartition('/')[2]}"
    monkeypatch.setenv("ELT__READERS_GROUP", role)
    monkeypatch.setattr(dbt_build, "build", lambda *_: BuildResult())
    lists["leads"] = leads(1)
    fill(on_postgres, 1)
    outcome = elt("run")
    assert outcome.exit_code == 2
    assert f'create role "{role}"' in outcome.stderr
    superuser = server.replace("contacts:secret", "postgres:secret")
    ask(superuser, f"create role \"{role}\" login password 'secret'")
    for number in (1, 2):
        outcome = elt("run")
        assert outcome.exit_code == 0, outcome.stderr
        reader = on_postgres.replace("contacts:secret", f"{role}:secret")
        assert ask(reader, "select max(n) from marts.dim_users") == [(number,)]
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            ask(reader, "drop table marts.dim_users")
        fill(on_postgres, 2)


def test_what_is_no_mart_is_not_published_and_stops_nothing(
    on_postgres: str, server: str, query: Query
) -> None:
    superuser = f"{server.rpartition('/')[0]}/{on_postgres.rpartition('/')[2]}"
    superuser = superuser.replace("contacts:secret", "postgres:secret")
    for number in (1, 2):
        fill(on_postgres, number)
        ask(on_postgres, "create table marts_next.dim_of_an_earlier_release (n int)")
        with locked_session(on_postgres, "it") as session:
            publish(session, "it")
        ask(superuser, "create table marts.notes as select 1 as n")
    assert query("select max(n) from marts.dim_users") == [(2,)]
    assert query("select to_regclass('marts.dim_of_an_earlier_release')") == [(None,)]


@pytest.mark.parametrize(
    ("result", "said"),
    [(BuildResult(), "held the lock"), (FAILED, "unique_dim_leads_contact_id")],
)
def test_a_lock_that_got_lost_ends_the_run(
    on_postgres: str,
    lists: Lists,
    api: ApiServer,
    elt: Elt,
    query: Query,
    monkeypatch: pytest.MonkeyPatch,
    result: BuildResult,
    said: str,
) -> None:
    def build(*_: object) -> BuildResult:
        ask(
            on_postgres,
            "select pg_terminate_backend(pid) from pg_stat_activity "
            "where application_name like 'contacts-elt%' and datname = current_database()",
        )
        return result

    lists["leads"] = leads(1)
    fill(on_postgres, 1)
    monkeypatch.setattr(dbt_build, "build", build)
    outcome = elt("run")
    assert outcome.exit_code == 1
    assert said in outcome.stderr
    assert query("select to_regnamespace('marts')") == [(None,)]


def test_rows_of_any_size_and_width_are_loaded(
    on_postgres: str, lists: Lists, api: ApiServer, elt: Elt, query: Query, without_build: None
) -> None:
    wide: dict[str, Any] = {f"field_{number}": "nul \x00" for number in range(500)}
    large: dict[str, Any] = {
        "name": "nul \x00" * 100_000,
        "attributes": {"nul \x00": "x" * 1_500_000},
    }
    lists["leads"] = [lead(1, **wide), *(lead(number, **large) for number in range(2, 40))]
    for changed in (0, 1):
        outcome = elt("run", "--json")
        assert outcome.exit_code == 0, outcome.stderr
        assert json.loads(outcome.stdout)["tables"]["leads"]["rows_changed"] == changed
        lists["leads"][0]["field_7"] = "another"
    assert query("select count(*), max(field_7), max(length(name)) from raw.leads") == [
        (39, "another", 500_000)
    ]


def test_a_second_run_ends_at_once_wherever_it_is(
    on_postgres: str,
    lists: Lists,
    api: ApiServer,
    elt: Elt,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    without_build: None,
) -> None:
    lists["leads"] = leads(1)
    with locked_session(on_postgres, "it"):
        monkeypatch.setenv("ELT__DATA_DIR", str(tmp_path / "elsewhere"))
        outcome = elt("run")
        assert outcome.exit_code == 3
        assert "Another run (process " in outcome.stderr
        assert len(api.requests) == 0
    assert elt("run").exit_code == 0


def test_the_guards_work_there(
    on_postgres: str,
    lists: Lists,
    api: ApiServer,
    elt: Elt,
    query: Query,
    monkeypatch: pytest.MonkeyPatch,
    without_build: None,
) -> None:
    refuse_what_is_dangerous(lists, elt, monkeypatch)
    assert query("select crmhero_user_id from raw.leads order by 1") == [(11,), (12,)]
    assert query("select count(*) from raw.rejected_rows") == [(1,)]


@pytest.mark.parametrize(
    ("find", "put", "exit_code", "said"),
    [
        ("secret", "wrong", 2, "password authentication failed"),
        ("/d", "/nothere", 2, "does not exist"),
        ("postgresql:", "mysql:", 2, "no database is named"),
        ("@127.0.0.1:", "@127.0.0.1:1", 1, "does not answer"),
    ],
)
def test_a_server_that_refuses_is_told_in_a_line(
    on_postgres: str,
    api: ApiServer,
    elt: Elt,
    monkeypatch: pytest.MonkeyPatch,
    find: str,
    put: str,
    exit_code: int,
    said: str,
) -> None:
    url = on_postgres.replace(find, put, 1)
    if put == "@127.0.0.1:1":
        url = url.replace(url.rpartition(":")[2].partition("/")[0], "1")
    monkeypatch.setenv("DESTINATION__POSTGRES__CREDENTIALS", url)
    for command in ("run", "check"):
        outcome = elt(command)
        assert outcome.exit_code == exit_code
        assert said in outcome.stdout + outcome.stderr
        assert "secret" not in (outcome.stdout + outcome.stderr).replace("secrets.toml", "")


def test_a_user_that_may_not_make_schemas_is_told_what_to_grant(
    on_postgres: str, server: str, elt: Elt, monkeypatch: pytest.MonkeyPatch, api: ApiServer
) -> None:
    superuser = server.replace("contacts:secret", "postgres:secret")
    ask(superuser, "create role poor login password 'secret'")
    url = on_postgres.replace("contacts:secret", "poor:secret")
    monkeypatch.setenv("DESTINATION__POSTGRES__CREDENTIALS", url)
    outcome = elt("run")
    assert outcome.exit_code == 2
    assert "grant create on database" in outcome.stderr


@pytest.mark.parametrize("command", [("export", "dim_leads"), ("dashboard",), ("forget", "1")])
def test_commands_for_files_say_so(
    on_postgres: str, elt: Elt, api: ApiServer, command: tuple[str, ...]
) -> None:
    outcome = elt(*command)
    assert outcome.exit_code == 1
    assert "docs/engines.md" in outcome.stderr


@pytest.mark.parametrize(
    ("name", "said"),
    [("oracle", "is none of duckdb, postgres"), ("postgres", "make postgres")],
)
def test_what_is_not_there_is_told_with_how_to_install_it(
    elt: Elt, api: ApiServer, monkeypatch: pytest.MonkeyPatch, name: str, said: str
) -> None:
    monkeypatch.setenv("ELT__DESTINATION", name)
    monkeypatch.setattr("extract.engines.is_installed", lambda _: False)
    for command in ("run", "check"):
        outcome = elt(command)
        assert outcome.exit_code == 2
        assert said in outcome.stdout + outcome.stderr
