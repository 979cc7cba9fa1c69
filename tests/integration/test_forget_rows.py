"""Erasing a person: whose rows go, in whatever tables they are, and whose stay."""

from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from extract.sandbox.server import ApiServer
from tests.support.builders import Lists, Row, lead, listing, user
from tests.support.elt import Elt, Query
from tests.support.erasure import write_warehouse

Change = Callable[[str], None]


@pytest.fixture
def change(data_dir: Path) -> Change:
    """Change the warehouse of this test."""

    def execute(sql: str) -> None:
        with duckdb.connect(str(data_dir / "warehouse.duckdb")) as warehouse:
            warehouse.execute(sql)

    return execute


@pytest.mark.parametrize("contact_id", ["417", "user:u1", "user:u2"])
def test_all_accounts_and_e_mails_of_a_contact_are_one_person(
    lists: Lists, api: ApiServer, elt: Elt, query: Query, data_dir: Path, contact_id: str
) -> None:
    lists["leads"] = [lead(417), lead(418)]
    lists["users"] = [
        user("u1", None, email="old@example.com"),
        user("u1", 417, -1, email="new@example.com"),
        user("u2", 417, -1),
        user("u3", 418),
    ]
    write_warehouse(data_dir)
    assert query("select count(*) from raw.users") == [(4,)]
    outcome = elt("forget", contact_id)
    assert outcome.exit_code == 0
    assert "417, user:u1, user:u2" in outcome.stdout
    for schema in ("raw", "raw_staging"):
        assert query(f"select crmhero_user_id from {schema}.leads") == [(418,)]
        assert query(f"select user_id from {schema}.users") == [("u3",)]


def test_ids_that_only_the_history_knows_are_followed(
    lists: Lists, api: ApiServer, elt: Elt, query: Query, data_dir: Path
) -> None:
    """An account that the API now lists without a number, and one that it lists with another."""
    lists["leads"] = [lead(416), lead(417), lead(418)]
    lists["users"] = [user("u0", 416), user("u1", None), user("u2", None)]
    write_warehouse(
        data_dir,
        "('user:u1', 'u1', 'a'), ('417', 'u1', 'b'), ('417', null, 'c'), ('417', 'u0', 'd'), "
        "('418', 'u2', 'e')",
    )
    before = (data_dir / "warehouse.duckdb").read_bytes()
    outcome = elt("forget", "417")
    assert (outcome.exit_code, outcome.stdout) == (1, "")
    assert "416, 417, user:u1" in outcome.stderr
    assert (data_dir / "warehouse.duckdb").read_bytes() == before
    assert elt("forget", "417", "--yes").exit_code == 0
    assert query("select contact_id from snapshots.snap_contacts") == [("418",)]
    assert query("select crmhero_user_id from raw.leads") == [(418,)]
    assert query("select user_id from raw.users") == [("u2",)]


@pytest.mark.parametrize("user_id", ["undefined", "u1", "0"])
def test_of_contacts_that_share_a_user_id_one_is_erased_and_the_others_stay(
    lists: Lists, api: ApiServer, elt: Elt, query: Query, data_dir: Path, user_id: str
) -> None:
    """A tracker can give one user id to different people."""
    lists["users"] = [
        *(user(user_id, number, email=f"a{number}@example.com") for number in (2001, 2002, 2003)),
        user(user_id, None, email=None, name="rejected"),
        user(None, 2002, email="a2002@example.com", name="rejected, hers"),
    ]
    history = ", ".join(
        f"('{number}', '{user_id}', 'a{number}@example.com')" for number in (2001, 2002, 2003)
    )
    write_warehouse(data_dir, history)
    assert elt("forget", "2002").exit_code == 0
    assert query("select crmhero_user_id from raw.users order by 1") == [(2001,), (2003,)]
    assert query("select contact_id from snapshots.snap_contacts order by 1") == [
        ("2001",),
        ("2003",),
    ]
    assert query("select row_json ->> 'name' from raw.rejected_rows") == [("rejected",)]


@pytest.mark.parametrize("user_id", ["Undefined", "null", "00000000-0000-0000-0000-000000000000"])
def test_a_user_id_of_nobody_connects_no_contacts_even_without_numbers(
    lists: Lists, api: ApiServer, elt: Elt, query: Query, data_dir: Path, user_id: str
) -> None:
    emails = ("a1@example.com", "a2@example.com")
    lists["users"] = [*(user(user_id, None, email=email) for email in emails), user(user_id, 7)]
    history = ", ".join(f"('user:{user_id}:{email}', '{user_id}', '{email}')" for email in emails)
    write_warehouse(data_dir, history)
    assert elt("forget", f"user:{user_id}").exit_code == 1
    assert elt("forget", f"user:{user_id}:a2@example.com").exit_code == 0
    assert query("select email from raw.users where crmhero_user_id is null") == [
        ("a1@example.com",)
    ]
    assert query("select count(*) from raw.users where crmhero_user_id = 7") == [(1,)]
    assert query("select email from snapshots.snap_contacts") == [("a1@example.com",)]


def test_a_number_of_nobody_connects_no_users(
    lists: Lists, api: ApiServer, elt: Elt, query: Query, data_dir: Path
) -> None:
    """In users, 0 and below; of a lead, such a number is the key all the same."""
    lists["leads"] = [lead(0), lead(-1)]
    lists["users"] = [user("u1", 0), user("u2", 0), user("u3", -1)]
    write_warehouse(data_dir, "('0', 'u1', 'a'), ('0', 'u2', 'b')")  # of an earlier release
    assert elt("forget", "user:u1").exit_code == 0
    assert query("select user_id from raw.users order by 1") == [("u2",), ("u3",)]
    assert query("select user_id from snapshots.snap_contacts") == [("u2",)]
    assert query("select count(*) from raw.leads") == [(2,)]
    assert elt("forget", "--", "-1").exit_code == 0
    assert query("select crmhero_user_id from raw.leads") == [(0,)]
    assert query("select user_id from raw.users order by 1") == [("u2",), ("u3",)]


def test_a_row_without_a_number_of_a_shared_user_id_is_a_contact_of_its_own(
    lists: Lists, api: ApiServer, elt: Elt, query: Query, data_dir: Path
) -> None:
    emails = ("a0@example.com", "a1@example.com", "a2@example.com")
    lists["users"] = [
        user("u1", number, email=email)
        for number, email in zip((None, 2001, 2002), emails, strict=True)
    ]
    write_warehouse(data_dir)
    assert elt("forget", "2001").exit_code == 0
    assert query("select email from raw.users order by 1") == [(emails[0],), (emails[2],)]


def test_an_e_mail_that_two_contacts_share_takes_nothing_from_the_other(
    lists: Lists, api: ApiServer, elt: Elt, query: Query, data_dir: Path
) -> None:
    both = "both@example.com"
    lists["leads"] = [lead(417, email=both), lead(418, email=both)]
    lists["users"] = [user("u1", 417, email=both), user("u2", 418, email=both)]
    write_warehouse(data_dir, f"('417', 'u1', '{both}'), ('418', 'u2', '{both}')")
    assert elt("forget", "417").exit_code == 0
    assert query("select crmhero_user_id from raw.leads") == [(418,)]
    assert query("select user_id from raw.users") == [("u2",)]
    assert query("select contact_id from snapshots.snap_contacts") == [("418",)]


def test_rejected_rows_go_by_any_spelling_of_an_id_and_by_e_mail(
    lists: Lists, api: ApiServer, elt: Elt, query: Query, data_dir: Path
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
    write_warehouse(data_dir, "('417', 'u1', 'anna.once@example.com')")
    outcome = elt("forget", "417")
    assert ["raw.rejected_rows", "10"] in [line.split() for line in outcome.stdout.splitlines()]
    assert query("select row_json ->> 'name', count(*) from raw.rejected_rows group by all") == [
        ("another's", 7)
    ]


def test_a_rejected_row_that_is_no_object_belongs_to_nobody(
    lists: Lists, api: ApiServer, elt: Elt, query: Query, data_dir: Path
) -> None:
    lists["leads"] = [lead(417, email="anna@example.com")]
    api.fault = listing([[*lists["leads"], "anna@example.com", [417], 417, None]])
    write_warehouse(data_dir)
    assert query("select count(*) from raw.rejected_rows") == [(4,)]
    assert elt("forget", "417").exit_code == 0
    assert query("select count(*) from raw.rejected_rows") == [(4,)]
    assert query("from raw.leads") == []


def test_a_contact_of_which_all_rows_were_rejected_is_erased(
    lists: Lists, api: ApiServer, elt: Elt, query: Query, data_dir: Path
) -> None:
    lists["users"] = [user(None, 417), user(None, 418)]
    write_warehouse(data_dir)
    assert elt("forget", "417").exit_code == 0
    assert query("select row_json ->> 'crmhero_user_id' from raw.rejected_rows") == [("418",)]


def test_fields_that_the_api_adds_under_a_name_of_ours_join_nobody(
    lists: Lists, api: ApiServer, elt: Elt, query: Query, data_dir: Path
) -> None:
    """A `user_id` of 0 in every lead, for example."""
    more: Row = {"user_id": "0", "contact_id": "417", "row_json": '{"crmhero_user_id": 417}'}
    lists["leads"] = [lead(417, **more), lead(418, **more)]
    lists["users"] = [user("0", 419, contact_id="417", row_json='{"crmhero_user_id": 417}')]
    write_warehouse(data_dir)
    assert query("select contact_id, user_id from raw.leads") == [("417", "0")] * 2
    assert elt("forget", "417").exit_code == 0
    assert query("select crmhero_user_id from raw.leads") == [(418,)]
    assert query("select user_id from raw.users") == [("0",)]


def test_tables_of_any_name_and_type_are_covered(
    api: ApiServer, elt: Elt, change: Change, query: Query, data_dir: Path
) -> None:
    write_warehouse(data_dir, "('417', 'u1', 'a')")
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
    lists: Lists, api: ApiServer, elt: Elt, change: Change, data_dir: Path
) -> None:
    lists["leads"] = [lead(417, email="anna@example.com"), lead(None)]
    lists["users"] = [user("u1", 417), user(None, None, email=None)]
    write_warehouse(data_dir, "('417', 'u1', 'anna@example.com'), ('', '', ''), (null, null, null)")
    change("create schema audit")
    change("create table audit.unique_contact_id as select 417 as contact_id")
    warehouse = data_dir / "warehouse.duckdb"
    before = (warehouse.stat().st_ino, warehouse.read_bytes())
    malformed = (
        "", "None", "user:", "user:None", "%", "417' or '1'='1", "417'); drop table raw.leads; --",
    )  # fmt: skip
    for contact_id in ("999", "-5", "0417", "u1", "anna@example.com", *malformed):
        outcome = elt("forget", contact_id)
        assert (outcome.exit_code, outcome.stdout) == (1, ""), contact_id
        assert "holds anything of a contact" in outcome.stderr
        assert len(outcome.stderr.splitlines()) == 1
        assert (warehouse.stat().st_ino, warehouse.read_bytes()) == before


def test_an_id_that_looks_like_sql_is_a_text_like_any_other(
    lists: Lists, api: ApiServer, elt: Elt, query: Query, data_dir: Path
) -> None:
    sql = "u1'); drop table raw.users; --"
    lists["users"] = [user(sql, None), user("u1", None)]
    write_warehouse(data_dir)
    assert elt("forget", f"user:{sql}").exit_code == 0
    assert query("select user_id from raw.users") == [("u1",)]


def test_without_a_warehouse_there_is_nothing_to_erase(
    api: ApiServer, elt: Elt, data_dir: Path
) -> None:
    outcome = elt("forget", "417")
    assert outcome.exit_code == 1
    assert "There is no warehouse" in outcome.stderr
    assert not (data_dir / "warehouse.duckdb").exists()
