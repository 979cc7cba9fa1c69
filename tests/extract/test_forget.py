"""Erasing a person: whose rows go, that their bytes go with them, and that nothing else does."""

import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import dlt
import duckdb
import pytest

from extract.folder import Folder
from extract.sandbox.server import ApiServer
from tests.builders import Lists, Row, lead, listing, user
from tests.conftest import Elt, Query
from tests.extract.test_pipeline import another_process

NUMBER = 417417417
NAME = "Zq7kP0vXw3LrT9bNcY5hJ2mFdG8sA1uE"  # no compression hides it in a file
EMAIL = "w8xk2qv5jz7hn4tb@example.com"
MARKS = (str(NUMBER), NAME, EMAIL)  # one of them is in every row of the person
NAMED_IN = {
    "marts.dim_attributes",
    "marts.fct_acquisition_monthly",
    "marts.fct_audience_by_country",
}
TOTALS = NAMED_IN | {
    "marts.fct_contacts_daily",
    "marts.fct_email_health_monthly",
    "marts.fct_loads",
    "marts.fct_nps_monthly",
    "marts.fct_retention_monthly",
}

Change = Callable[[str], None]


@pytest.fixture
def change(data_dir: Path) -> Change:
    """Change the warehouse of this test."""

    def execute(sql: str) -> None:
        with duckdb.connect(str(data_dir / "warehouse.duckdb")) as warehouse:
            warehouse.execute(sql)

    return execute


@pytest.fixture
def history(api: ApiServer, elt: Elt, without_models: None, change: Change) -> Change:
    """Load what the API lists, and add rows to a table of contacts as they were."""

    def remember(values: str) -> None:
        assert elt("run").exit_code == 0
        change("create schema snapshots")
        change("create table snapshots.snap_contacts (contact_id text, user_id text, email text)")
        change(f"insert into snapshots.snap_contacts values {values}")

    return remember


def holding(folder: Path, *marks: str) -> set[str]:
    """Return the files that hold one of the marks, whatever they are."""
    return {
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.is_file() and any(mark.encode() in path.read_bytes() for mark in marks)
    }


def contents(query: Query) -> Counter[str]:
    """Return every row of every table but those of the audit, as text."""
    tables = query(
        "select schema_name, table_name from duckdb_tables() where schema_name <> 'audit'"
    )
    return Counter(
        f"{schema}.{table} {row}"
        for schema, table in tables
        for (row,) in query(f'select t::varchar from "{schema}"."{table}" as t')
    )


def structure(query: Query) -> dict[str, list[Any]]:
    """Return all that a warehouse is beside rows."""
    columns = {
        "duckdb_databases": "tags",
        "duckdb_schemas": "schema_name",
        "duckdb_tables": "schema_name, table_name, comment, sql",
        "duckdb_views": "schema_name, view_name, comment, sql",
        "duckdb_columns": "schema_name, table_name, column_name, column_index, comment, "
        "column_default, is_nullable, data_type",
    }
    return {
        what: query(f"select {names} from {what}() where not internal order by all")
        for what, names in columns.items()
    }


def test_a_person_leaves_every_table_and_every_byte_and_the_warehouse_works_on(
    lists: Lists, api: ApiServer, elt: Elt, query: Query, data_dir: Path
) -> None:
    lists["leads"] = [lead(NUMBER, name=NAME), lead(2)]
    alone: Row = {"utm_campaign": NAME, "country": NAME, "attributes": {NAME: NAME}}
    lists["users"] = [
        user("u1", NUMBER, email=EMAIL, **alone),
        user("u2", NUMBER, -1, name=NAME, **alone),
        user("u3", 3),
        user(None, NUMBER, name=NAME),
        user(None, 4),
    ]
    assert elt("run").exit_code == 0
    places = ("raw", "raw_staging", "intermediate", "marts", "snapshots", "audit")
    tables = {f"{s}.{t}" for s, t in query("select schema_name, table_name from duckdb_tables()")}
    holders = {table for table in tables if any(m in str(query(f"from {table}")) for m in MARKS)}
    assert {table.split(".")[0] for table in holders} == set(places)
    assert holders & TOTALS == NAMED_IN
    published = f"published/{os.readlink(data_dir / 'published' / 'current')}"
    holders_of_bytes = {"warehouse.duckdb", f"{published}/contacts.duckdb"}
    assert holding(data_dir, NAME) >= holders_of_bytes
    assert holding(data_dir, EMAIL) >= {"warehouse.duckdb"}  # published, it is compressed
    before, built = contents(query), structure(query)

    outcome = elt("forget", str(NUMBER))

    assert outcome.exit_code == 0, outcome.stderr
    lines = [line.split() for line in outcome.stdout.splitlines()]
    said = {line[0]: line[1] for line in lines if len(line) == 2}
    assert holders <= set(said)
    assert said["raw.users"] == said["raw_staging.users"] == "2"
    assert said["raw.rejected_rows"] == said["marts.dim_contacts"] == "1"
    assert f"{NUMBER}, user:u1, user:u2" in outcome.stdout
    assert "Delete the contact at the API, too" in outcome.stdout
    after = contents(query)
    emptied = {table for table in tables if table.startswith("audit.")} | TOTALS
    assert after == Counter(
        {
            row: count
            for row, count in before.items()
            if row.split()[0] not in emptied and not any(mark in row for mark in MARKS)
        }
    )
    assert not any(query(f"from {table}") for table in emptied)
    assert holding(data_dir, NAME, EMAIL) == set()
    assert structure(query) == built
    assert query("select contact_id from staging.stg_analytics_api__leads") == [("2",)]
    assert sorted(path.name for path in data_dir.iterdir()) == [
        "contacts.duckdb",
        "parquet",
        "published",
        "run.lock",
        "warehouse.duckdb",
    ]
    assert said["published.dim_contacts"] == "1"
    assert sorted(path.name for path in (data_dir / "published").iterdir()) == sorted(
        [os.readlink(data_dir / "published" / "current"), "current"]
    )
    assert not (data_dir / published).exists()
    with duckdb.connect(str(data_dir / "contacts.duckdb"), read_only=True) as contacts:
        kept = dict(contacts.sql("select mart, row_count from published").fetchall())
        ((read_at,),) = contacts.sql("select distinct users_read_at from published").fetchall()
        read = contacts.sql(
            f"select filename from read_parquet('{data_dir}/parquet/*.parquet', "
            "filename = true, union_by_name = true) as rows "
            f"where rows::varchar similar to '.*({'|'.join(MARKS)}).*'"
        ).fetchall()
    assert read == []
    assert read_at is not None  # though fct_loads is empty
    for mart, count in kept.items():
        assert query(f"select count(*) from marts.{mart}") == [(count,)]
    assert (data_dir / "warehouse.duckdb").stat().st_mode & 0o777 == 0o600

    del lists["leads"][0], lists["users"][3:], lists["users"][1]
    assert elt("run").exit_code == 0
    assert query(
        "select contact_id, user_id, contact_stage from marts.dim_contacts order by 1"
    ) == [
        ("2", None, "lead"),
        ("3", "u3", "direct_user"),
        (str(NUMBER), "u1", "direct_user"),  # the API still lists it
    ]
    assert query("select sum(new_contacts) from marts.fct_contacts_daily") == [(3,)]


def test_a_person_that_only_published_versions_hold_is_erased(
    lists: Lists, api: ApiServer, elt: Elt, query: Query, change: Change, data_dir: Path
) -> None:
    """The warehouse was restored from a backup, say."""
    lists["leads"] = [lead(NUMBER, name=NAME), lead(2)]
    elt("run")
    for table in query("select schema_name, table_name from duckdb_tables()"):
        with suppress(duckdb.BinderException):  # a table of totals
            change("delete from {}.{} where ".format(*table) + f"contact_id = '{NUMBER}'")
        with suppress(duckdb.BinderException):
            change("delete from {}.{} where ".format(*table) + f"crmhero_user_id = {NUMBER}")
    spilled = data_dir / "contacts.duckdb.tmp" / "of_a_killed_reader"
    spilled.parent.mkdir()
    spilled.write_text(NAME)
    assert elt("forget", str(NUMBER)).exit_code == 0
    with duckdb.connect(str(data_dir / "contacts.duckdb"), read_only=True) as contacts:
        assert contacts.sql("select contact_id from dim_contacts").fetchall() == [("2",)]
    assert not spilled.exists()
    assert elt("forget", str(NUMBER)).exit_code == 1


@pytest.mark.parametrize("contact_id", ["417", "user:u1", "user:u2"])
def test_all_accounts_and_e_mails_of_a_contact_are_one_person(
    lists: Lists,
    api: ApiServer,
    elt: Elt,
    without_models: None,
    query: Query,
    contact_id: str,
) -> None:
    lists["leads"] = [lead(417), lead(418)]
    lists["users"] = [user("u1", None, email="old@example.com"), user("u3", 418)]
    elt("run")
    lists["users"] = [
        user("u1", 417, -1, email="new@example.com"),
        user("u2", 417, -1),
        user("u3", 418),
    ]
    elt("run")
    assert query("select count(*) from raw.users") == [(4,)]
    outcome = elt("forget", contact_id)
    assert outcome.exit_code == 0
    assert "417, user:u1, user:u2" in outcome.stdout
    for schema in ("raw", "raw_staging"):
        assert query(f"select crmhero_user_id from {schema}.leads") == [(418,)]
    assert query("select user_id from raw.users") == [("u3",)]
    assert query("select user_id from raw_staging.users") == [("u3",)]


def test_ids_that_only_the_history_knows_are_followed(
    lists: Lists, elt: Elt, history: Change, query: Query
) -> None:
    """An account that the API now lists without a number, and one that it lists with another."""
    lists["leads"] = [lead(416), lead(417), lead(418)]
    lists["users"] = [user("u0", 416), user("u1", None), user("u2", None)]
    history(
        "('user:u1', 'u1', 'a'), ('417', 'u1', 'b'), ('417', null, 'c'), ('417', 'u0', 'd'), "
        "('418', 'u2', 'e')"
    )
    assert elt("forget", "417").exit_code == 0
    assert query("select contact_id from snapshots.snap_contacts") == [("418",)]
    assert query("select crmhero_user_id from raw.leads") == [(418,)]
    assert query("select user_id from raw.users") == [("u2",)]


def test_an_e_mail_that_two_contacts_share_takes_nothing_from_the_other(
    lists: Lists, elt: Elt, history: Change, query: Query
) -> None:
    both = "both@example.com"
    lists["leads"] = [lead(417, email=both), lead(418, email=both)]
    lists["users"] = [user("u1", 417, email=both), user("u2", 418, email=both)]
    history(f"('417', 'u1', '{both}'), ('418', 'u2', '{both}')")
    assert elt("forget", "417").exit_code == 0
    assert query("select crmhero_user_id from raw.leads") == [(418,)]
    assert query("select user_id from raw.users") == [("u2",)]
    assert query("select contact_id from snapshots.snap_contacts") == [("418",)]


def test_rows_that_were_set_aside_go_by_any_spelling_of_an_id_and_by_e_mail(
    lists: Lists, elt: Elt, history: Change, query: Query
) -> None:
    lists["leads"] = [
        lead(417, email="Anna@example.com "),
        lead(None, email="anna@example.com", name="hers"),
        lead(None, email="anna@example.com", crmhero_user_id="unknown", name="hers"),
        lead(None, email="anna.once@example.com", name="hers"),
        lead(None, email="someone@example.com", name="another's"),
        lead(None, email=None, name="another's"),
        lead(None, email="none", name="another's"),
        lead(None, email=["anna@example.com"], crmhero_user_id=[417], name="another's"),
        lead(None, crmhero_user_id="None", name="another's"),
    ]
    lists["users"] = [
        user("u1", 417, email="none"),
        user("7", 417),
        user(None, 417, email="x@example.com", name="hers"),
        user(None, None, email="x@example.com", crmhero_user_id=" 417 ", name="hers"),
        user(None, None, email="x@example.com", crmhero_user_id=417.0, name="hers"),
        user("u1", None, email=None, name="hers"),
        user(" u1 ", None, email=" ", name="hers"),
        {"user_id": 7.0, "email": None, "name": "hers"},
        user(None, None, email=" Anna@Example.com", name="hers"),
        user(None, 4170, name="another's"),
        user("None", None, email="", name="another's"),
    ]
    history("('417', 'u1', 'anna.once@example.com')")
    outcome = elt("forget", "417")
    assert ["raw.rejected_rows", "10"] in [line.split() for line in outcome.stdout.splitlines()]
    assert query("select row_json ->> 'name', count(*) from raw.rejected_rows group by all") == [
        ("another's", 7)
    ]


def test_a_row_that_was_set_aside_for_being_no_object_is_nobodys(
    api: ApiServer, elt: Elt, without_models: None, lists: Lists, query: Query
) -> None:
    lists["leads"] = [lead(417, email="anna@example.com")]
    api.fault = listing([[*lists["leads"], "anna@example.com", [417], 417, None]])
    elt("run")
    assert query("select count(*) from raw.rejected_rows") == [(4,)]
    assert elt("forget", "417").exit_code == 0
    assert query("select count(*) from raw.rejected_rows") == [(4,)]


def test_a_contact_that_was_only_ever_set_aside_is_erased(
    lists: Lists, api: ApiServer, elt: Elt, without_models: None, query: Query
) -> None:
    lists["users"] = [user(None, 417), user(None, 418)]
    elt("run")
    assert elt("forget", "417").exit_code == 0
    assert query("select row_json ->> 'crmhero_user_id' from raw.rejected_rows") == [("418",)]


def test_fields_that_the_api_adds_under_a_name_of_ours_join_nobody(
    lists: Lists, api: ApiServer, elt: Elt, without_models: None, query: Query
) -> None:
    """A `user_id` of 0 in every lead, say."""
    more: Row = {"user_id": "0", "contact_id": "417", "row_json": '{"crmhero_user_id": 417}'}
    lists["leads"] = [lead(417, **more), lead(418, **more)]
    lists["users"] = [user("0", 419, contact_id="417", row_json='{"crmhero_user_id": 417}')]
    elt("run")
    assert elt("forget", "417").exit_code == 0
    assert query("select crmhero_user_id from raw.leads") == [(418,)]
    assert query("select user_id from raw.users") == [("0",)]


def test_tables_of_any_name_and_type_are_covered(
    elt: Elt, history: Change, change: Change, query: Query
) -> None:
    history("('417', 'u1', 'a')")
    change('create schema "a ""new"" one"')
    change('create table "a ""new"" one"."select" ("Contact_ID" bigint, note text)')
    change("""insert into "a ""new"" one"."select" values (417, 'a'), (null, 'b'), (418, 'c')""")
    change("create table main.accounts as select 'u1' as user_id union all select 'u2'")
    change("create table main.notes (note text, row_json json)")
    change("insert into main.notes values ('a', '{\"user_id\": \"u1\"}'), ('b', null)")
    outcome = elt("forget", "417")
    assert outcome.exit_code == 0, outcome.stderr
    assert 'a "new" one.select' in outcome.stdout
    assert query('select note from "a ""new"" one"."select"') == [("b",), ("c",)]
    assert query("select user_id from main.accounts") == [("u2",)]
    assert query("select note from main.notes") == [("b",)]


def test_an_unknown_contact_changes_nothing(
    lists: Lists, elt: Elt, history: Change, change: Change, data_dir: Path
) -> None:
    lists["leads"] = [lead(417, email="anna@example.com"), lead(None)]
    lists["users"] = [user("u1", 417), user(None, None, email=None)]
    history("('417', 'u1', 'anna@example.com'), ('', '', ''), (null, null, null)")
    change("create schema audit")
    change("create table audit.unique_contact_id as select 417 as contact_id")
    warehouse = data_dir / "warehouse.duckdb"
    before = (warehouse.stat().st_ino, warehouse.read_bytes())
    odd = [
        "",
        "None",
        "user:",
        "user:None",
        "%",
        "417' or '1'='1",
        "417'); drop table raw.leads; --",
    ]
    for contact_id in ("999", "-5", "0417", "u1", "anna@example.com", *odd):
        outcome = elt("forget", contact_id)
        assert (outcome.exit_code, outcome.stdout) == (1, ""), contact_id
        assert "holds anything of a contact" in outcome.stderr
        assert len(outcome.stderr.splitlines()) == 1
        assert (warehouse.stat().st_ino, warehouse.read_bytes()) == before


def test_an_id_that_looks_like_sql_is_a_text_like_any_other(
    lists: Lists, api: ApiServer, elt: Elt, without_models: None, query: Query
) -> None:
    odd = "u1'); drop table raw.users; --"
    lists["users"] = [user(odd, None), user("u1", None)]
    elt("run")
    assert elt("forget", f"user:{odd}").exit_code == 0
    assert query("select user_id from raw.users") == [("u1",)]


def test_what_runs_left_behind_goes_too(
    lists: Lists, elt: Elt, history: Change, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lists["leads"] = [lead(417, name=NAME), lead(418)]
    history("('417', null, null)")
    with monkeypatch.context() as broken:
        broken.setattr(dlt.Pipeline, "load", lambda _: 1 / 0)
        assert elt("run", "--full-refresh").exit_code == 1
    for place in ("logs/dbt.log.1", "dbt/run_results.json", "warehouse.duckdb.tmp/spilled.tmp"):
        (data_dir / place).parent.mkdir(exist_ok=True)
        (data_dir / place).write_text(f"Could not convert string '{NAME}' to INT32")
    left_in = {name.split("/")[0] for name in holding(data_dir, NAME)}
    assert left_in == {"dlt", "logs", "dbt", "warehouse.duckdb", "warehouse.duckdb.tmp"}
    assert elt("forget", "417").exit_code == 0
    assert sorted(path.name for path in data_dir.iterdir()) == ["run.lock", "warehouse.duckdb"]
    assert holding(data_dir, NAME) == set()
    assert elt("run").exit_code == 0


def test_a_forget_that_is_killed_leaves_the_old_warehouse_and_can_be_repeated(
    lists: Lists,
    elt: Elt,
    history: Change,
    query: Query,
    data_dir: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lists["leads"] = [lead(417, name=NAME), lead(418)]
    history(f"('417', null, '{NAME}')")
    before = contents(query)
    with monkeypatch.context() as broken:
        broken.setattr(Path, "replace", lambda *_: 1 / 0)
        assert elt("forget", "417").exit_code == 1
    assert contents(query) == before
    assert holding(data_dir, NAME) == {"warehouse.duckdb"}
    assert holding(data_dir, "lead418@") == {"warehouse.duckdb", "dlt/warehouse.duckdb"}
    shutil.copytree(data_dir, data_dir.with_name("as_killed"))
    assert elt("forget", "417").exit_code == 0
    assert holding(data_dir, NAME) == set()
    assert query("select crmhero_user_id from raw.leads") == [(418,)]
    shutil.rmtree(data_dir)
    data_dir.with_name("as_killed").rename(data_dir)
    assert elt("run").exit_code == 0
    assert not (data_dir / "dlt").exists()


def test_what_a_killed_process_left_in_the_log_is_kept_or_erased_like_the_rest(
    elt: Elt, history: Change, query: Query, data_dir: Path
) -> None:
    history("('1', 'u1', 'a')")
    killed = f"""
import duckdb, os
warehouse = duckdb.connect({str(data_dir / "warehouse.duckdb")!r})
warehouse.execute(
    "insert into snapshots.snap_contacts values ('417', 'u2', '{NAME}'), ('418', 'u3', 'b')"
)
os._exit(9)
"""
    subprocess.run([sys.executable, "-c", killed], check=False)
    assert holding(data_dir, NAME) == {"warehouse.duckdb.wal"}
    assert elt("forget", "417").exit_code == 0
    assert not (data_dir / "warehouse.duckdb.wal").exists()
    assert holding(data_dir, NAME) == set()
    assert query("select contact_id from snapshots.snap_contacts") == [("1",), ("418",)]


def test_a_warehouse_behind_a_link_is_the_one_that_is_replaced(
    lists: Lists, elt: Elt, history: Change, query: Query, data_dir: Path, tmp_path: Path
) -> None:
    lists["leads"] = [lead(417, name=NAME), lead(418)]
    history("('417', null, null)")
    elsewhere = tmp_path / "elsewhere.duckdb"
    (data_dir / "warehouse.duckdb").rename(elsewhere)
    (data_dir / "warehouse.duckdb").symlink_to(elsewhere)
    assert elt("forget", "417").exit_code == 0
    assert holding(tmp_path, NAME) == set()
    assert (data_dir / "warehouse.duckdb").is_symlink()
    assert query("select crmhero_user_id from raw.leads") == [(418,)]


def test_a_warehouse_keeps_the_format_of_its_file(
    elt: Elt, history: Change, query: Query, data_dir: Path
) -> None:
    """BI tools have a DuckDB of their own."""
    history("('417', null, null)")
    warehouse, newer = data_dir / "warehouse.duckdb", data_dir / "newer.duckdb"
    with duckdb.connect(str(warehouse)) as connection:
        connection.execute(f"attach '{newer}' (storage_version 'v1.2.0')")
        connection.execute("copy from database warehouse to newer")
    newer.replace(warehouse)
    tags = "select tags from duckdb_databases() where database_name = 'warehouse'"
    before = query(tags)
    assert elt("forget", "417").exit_code == 0
    assert query(tags) == before


def test_a_warehouse_in_use_is_not_touched(
    lists: Lists, elt: Elt, history: Change, data_dir: Path, query: Query
) -> None:
    lists["leads"] = [lead(417)]
    history("('417', null, null)")
    with Folder(data_dir).locked():
        outcome = elt("forget", "417")
        assert outcome.exit_code == 3
        assert "Another run" in outcome.stderr
    path = str(data_dir / "warehouse.duckdb")
    with another_process(f"import duckdb\nwith duckdb.connect({path!r}, read_only=True):"):
        outcome = elt("forget", "417")
        assert outcome.exit_code == 1
        assert "open in another program" in outcome.stderr
    assert query("select crmhero_user_id from raw.leads") == [(417,)]
    assert elt("forget", "417").exit_code == 0


def test_without_a_warehouse_there_is_nothing_to_erase(
    api: ApiServer, elt: Elt, data_dir: Path
) -> None:
    outcome = elt("forget", "417")
    assert outcome.exit_code == 1
    assert "There is no warehouse" in outcome.stderr
    assert not (data_dir / "warehouse.duckdb").exists()
