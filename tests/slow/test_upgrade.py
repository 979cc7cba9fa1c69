"""The current release on the data folder of an earlier one: it is loaded on and keeps its history.

`warehouse_0.1.0.duckdb.gz` was made by release 0.1.0 in two runs: 60 leads, 60 users and a lead
without an id; then lead 1 signed up as user `new`, with no flag that it was a lead. That release
had no snapshot of contacts.

`warehouse_0.2.0.duckdb.gz` was made by release 0.2.0 in two runs: the same, except that user `u59`
has a vote and user `u60` no contact id and an invalid `create_date`; then lead 1 signed up as user
`new`, lead 2 was deleted and user `u1` got another e-mail.

`release_0.6.0.tar.xz` is the whole data folder that release 0.6.0 made in three runs: the same 60
leads and 60 users with a lead without an id; then lead 1 signed up as user `new`, user `u1` got
another e-mail, lead 3 unsubscribed and lead 70 came; then lead 2 and user `u2` were deleted. Each
run published a version with its dashboard.
"""

import gzip
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest

from extract import dbt_build, pipeline, settings
from extract.dbt_build import BuildResult
from extract.sandbox import API_KEY, ApiServer
from publish import publication
from tests.support.builders import Lists, lead, leads, user, users
from tests.support.compiled import Compiled
from tests.support.elt import Elt, Query

FIXTURES = settings.ROOT / "tests" / "fixtures"
VERSIONS = ["20261128T004102Z", "20261128T004135Z", "20261128T004159Z"]  # that 0.6.0 published
Sandbox = Callable[[Lists], ApiServer]
CHANGES = (
    "select contact_id, change_type, email from marts.fct_contact_changes "
    "where change_type <> 'first_seen' order by all"
)


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """The folder of the sandbox's warehouse: all fixtures were loaded from there."""
    folder = tmp_path / "data" / "sandbox"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def sandbox(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    """Let the sandbox's API list what a test wants."""
    monkeypatch.setenv("SOURCES__ANALYTICS_API__BASE_URL", "sandbox")
    monkeypatch.setenv("ELT__DATA_DIR", str(data_dir.parent))

    def serve(lists: Lists) -> ApiServer:
        api = ApiServer(lambda: lists, API_KEY)
        monkeypatch.setattr(pipeline, "sandbox_server", lambda: api)
        return api

    return serve


def unpack_warehouse(release: str, data_dir: Path) -> None:
    packed = FIXTURES / f"warehouse_{release}.duckdb.gz"
    (data_dir / "warehouse.duckdb").write_bytes(gzip.decompress(packed.read_bytes()))


@pytest.fixture
def release_0_6_0(data_dir: Path) -> Path:
    with tarfile.open(FIXTURES / "release_0.6.0.tar.xz") as packed:
        packed.extractall(data_dir, filter="tar")
    return data_dir


def published_version(contacts: duckdb.DuckDBPyConnection) -> Any:
    ((version,),) = contacts.sql("select distinct version from published").fetchall()
    return version


def test_a_warehouse_of_release_0_1_0_is_loaded_on(
    elt: Elt,
    query: Query,
    sandbox: Sandbox,
    data_dir: Path,
    compiled: Compiled,
    with_dbt: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    unpack_warehouse("0.1.0", data_dir)
    lists = {
        "leads": [lead(2, -2, name="changed"), lead(100, -3), *leads(60)[3:]],  # lead 3 is deleted
        "users": [user("new", 1, -1, was_lead=0), *users(60)],
    }
    api = sandbox(lists)
    with monkeypatch.context() as without_models:
        without_models.setattr(dbt_build, "build", lambda *_: BuildResult())
        without_models.setattr(publication, "publish", lambda *_: None)
        without_models.setenv("ELT__FULL_READ_DAYS", "0")
        assert elt("run").exit_code == 0
    assert len(api.requests) <= 4, "the cursors of the earlier release are used"
    with duckdb.connect(str(data_dir / "warehouse.duckdb")) as warehouse:
        compiled.build(warehouse)  # history begins before the full sync finds that lead 3 is gone

    sandbox(lists)
    assert elt("run").exit_code == 0, "its last full sync is not known: one is made"
    assert query("select mode, leads_rows_removed from raw.elt_runs order by load_id") == [
        ("full", None),
        ("incremental", None),
        ("incremental", 0),
        ("full", 2),
    ]
    assert query(
        "select contact_stage, count(*) from marts.dim_contacts group by all order by all"
    ) == [("converted_user", 1), ("direct_user", 60), ("lead", 59)]
    assert query("select full_name from marts.dim_contacts where contact_id = '2'") == [
        ("changed",)
    ]
    assert query(
        "select contact_id from snapshots.snap_contacts "
        "where dbt_is_deleted = 'True' and dbt_valid_to is null"
    ) == [("3",)]
    assert query("select count(*) from snapshots.snap_lead_ids") == [(61,)]


def test_a_warehouse_of_release_0_2_0_keeps_its_history_and_no_former_audit(
    elt: Elt, query: Query, sandbox: Sandbox, data_dir: Path, with_dbt: None
) -> None:
    unpack_warehouse("0.2.0", data_dir)
    name = "source_is_readable_date_analytics_api_users_create_date__True"
    assert query(f"select count(*) from audit.{name}") == [(1,)]
    ((before,),) = query("select count(*) from snapshots.snap_contacts")
    with duckdb.connect(str(data_dir / "warehouse.duckdb")) as warehouse:
        warehouse.execute('create table audit."a ""former"" test of readable_dates" (n int)')
        warehouse.execute("create view audit.a_look as select 1")

    # since the last run of that release, lead 60 was deleted and user `u2` changed
    sandbox(
        {
            "leads": [lead(None), *leads(59)[2:]],
            "users": [
                user("new", 1, -1, was_lead=0),
                user("u1", 100_001, -2, email="renamed@example.com"),
                user("u2", 100_002, -3, email="later@example.com", nps_vote=3),
                *users(58)[2:],
                user("u59", 100_059, 59, nps_vote=9),
                user("u60", None, 60, attributes={"create_date": "2026-02-30"}),
            ],
        }
    )
    assert elt("run", "--full-refresh").exit_code == 0
    assert query("select count(*) from snapshots.snap_contacts") == [(before + 2,)]
    assert query(CHANGES) == [
        ("1", "changed", "new@example.com"),
        ("100001", "changed", "renamed@example.com"),
        ("100002", "changed", "later@example.com"),
        ("2", "deleted", "lead2@example.com"),
        ("60", "deleted", "lead60@example.com"),
    ]
    assert query("select count(*) from marts.fct_contact_changes where is_current") == [(118,)]
    assert query("select contact_id from marts.fct_lead_conversions") == [("1",)]
    audit = query("select table_name from duckdb_tables() where schema_name = 'audit'")
    assert ("dates_of_users_are_readable",) in audit
    assert not [name for (name,) in audit if "is_readable_date_" in name or " " in name]
    assert query("select column_name from audit.dates_of_users_are_readable") == [("create_date",)]
    assert query(
        "select user_id, nps_voted_at = (select min(finished_at) from marts.fct_loads), "
        "nps_voted_at = (select max(finished_at) from marts.fct_loads) "
        "from marts.dim_users where nps_vote is not null order by 1"
    ) == [("u2", False, True), ("u59", True, False)]


def test_a_data_folder_of_release_0_6_0_is_loaded_on_with_its_history_and_versions(
    elt: Elt,
    query: Query,
    sandbox: Sandbox,
    release_0_6_0: Path,
    with_dbt: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ELT__FULL_READ_DAYS", "0")  # the release's last full sync may be old
    kept = "select * exclude (dbt_valid_to) from snapshots.snap_contacts"
    before = set(query(kept))
    assert len(before) == 126
    shown = release_0_6_0 / "contacts.duckdb"
    with duckdb.connect(str(shown.resolve()), read_only=True) as at_work:
        # user `u3` gets another e-mail, lead 70 signs up, lead 71 comes
        api = sandbox(
            {
                "leads": [lead(71, -4), lead(3, -1, unsubscribe=1), lead(None), *leads(60)[3:]],
                "users": [
                    user("was70", 70, -5, was_lead=0),
                    user("u3", 100_003, -6, email="later@example.com"),
                    user("new", 1, -2, was_lead=0),
                    user("u1", 100_001, -2, email="renamed@example.com"),
                    *users(58)[3:],
                ],
            }
        )
        outcome = elt("run")
        assert outcome.exit_code == 0, outcome.stderr
        assert len(api.requests) <= 4, "the cursors of the earlier release are used"
        assert published_version(at_work) == VERSIONS[-1]
        assert at_work.sql("select count(*) from dim_contacts").fetchall() == [(119,)]

    assert query("select mode from raw.elt_runs order by load_id") == [
        (mode,) for mode in ("full", "incremental", "full", "incremental")
    ]
    after = query(kept)
    assert before < set(after)
    assert len(after) == len(before) + 3
    assert query(CHANGES) == [
        ("1", "changed", "new@example.com"),
        ("100001", "changed", "renamed@example.com"),
        ("100002", "deleted", "u2@example.com"),
        ("100003", "changed", "later@example.com"),
        ("2", "deleted", "lead2@example.com"),
        ("3", "changed", "lead3@example.com"),
        ("70", "changed", "was70@example.com"),
    ]
    assert query("select contact_id from marts.fct_lead_conversions order by 1") == [
        ("1",),
        ("70",),
    ]

    folders = sorted(path.name for path in (release_0_6_0 / "published").iterdir())
    assert folders[: len(VERSIONS)] == VERSIONS
    (new,) = set(folders) - {*VERSIONS, "current"}
    with duckdb.connect(str(shown), read_only=True) as contacts:
        assert published_version(contacts) == new
        assert contacts.sql("select count(*) from dim_contacts").fetchall() == [(120,)]
    assert not (release_0_6_0 / "dashboard.html").exists()  # none is drawn in tests

    outcome = elt("rollback")
    assert outcome.exit_code == 0
    assert f"version {VERSIONS[-1]} again" in outcome.stdout
    assert (shown.resolve().parent).name == VERSIONS[-1]
    with duckdb.connect(str(shown.resolve()), read_only=True) as contacts:
        assert published_version(contacts) == VERSIONS[-1]
    assert "<html" in (release_0_6_0 / "dashboard.html").read_text()
    published = release_0_6_0 / "parquet" / "published.parquet"
    ((version,),) = duckdb.sql(f"select version from '{published}' limit 1").fetchall()
    assert version == VERSIONS[-1]
