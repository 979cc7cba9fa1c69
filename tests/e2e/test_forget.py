"""Erasing a person from a complete warehouse: from every table, every file and every version."""

import os
from pathlib import Path
from typing import Any

import duckdb
import pytest
from duckdb import DuckDBPyConnection

from extract.engines.file import File
from extract.sandbox.server import ApiServer
from tests.support.builders import Lists, Row, lead, user
from tests.support.dbt import only
from tests.support.elt import Elt, Query
from tests.support.erasure import NAME, contents, files_with, opened

NUMBER = 417417417
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

HISTORY_AND_TWO_MARTS = only("+snap_contacts", "+dim_contacts", "+fct_contacts_daily")


def structure(warehouse: DuckDBPyConnection) -> dict[str, list[Any]]:
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
        what: warehouse.sql(
            f"select {names} from {what}() where not internal order by all"
        ).fetchall()
        for what, names in columns.items()
    }


def names_person(row: str) -> bool:
    return any(mark in row for mark in MARKS)


@pytest.mark.usefixtures("with_dbt")
def test_a_person_leaves_every_table_and_every_byte_and_the_warehouse_works_on(
    lists: Lists,
    api: ApiServer,
    elt: Elt,
    query: Query,
    data_dir: Path,
    monkeypatch: pytest.MonkeyPatch,
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
    with opened(data_dir) as warehouse:
        before, built = contents(warehouse), structure(warehouse)
    holders = {table for table, rows in before.items() if any(map(names_person, rows))}
    assert {table.split(".")[0] for table in holders} == {
        "raw", "raw_staging", "intermediate", "marts", "snapshots", "audit",
    }  # fmt: skip
    assert holders & TOTALS == NAMED_IN
    published = f"published/{os.readlink(data_dir / 'published' / 'current')}"
    assert files_with(data_dir, NAME) >= {"warehouse.duckdb", f"{published}/contacts.duckdb"}
    assert files_with(data_dir, EMAIL) >= {"warehouse.duckdb"}  # published, it is compressed

    outcome = elt("forget", str(NUMBER))

    assert outcome.exit_code == 0, outcome.stderr
    lines = [line.split() for line in outcome.stdout.splitlines()]
    erased = {line[0]: line[1] for line in lines if len(line) == 2}
    assert holders <= set(erased)
    assert erased["raw.users"] == erased["raw_staging.users"] == "2"
    assert erased["raw.rejected_rows"] == erased["marts.dim_contacts"] == "1"
    assert erased["published.dim_contacts"] == "1"
    assert f"{NUMBER}, user:u1, user:u2" in outcome.stdout
    assert "Delete the contact at the API, too" in outcome.stdout
    emptied = {table for table in before if table.startswith("audit.")} | TOTALS
    with opened(data_dir) as warehouse:
        assert structure(warehouse) == built
        assert contents(warehouse) == {
            table: [row for row in rows if table not in emptied and not names_person(row)]
            for table, rows in before.items()
        }
    assert files_with(data_dir, NAME, EMAIL) == set()
    assert query("select contact_id from staging.stg_analytics_api__leads") == [("2",)]
    assert sorted(path.name for path in data_dir.iterdir()) == [
        "contacts.duckdb",
        "parquet",
        "published",
        "run.lock",
        "warehouse.duckdb",
    ]
    assert (data_dir / "warehouse.duckdb").stat().st_mode & 0o777 == 0o600
    assert not (data_dir / published).exists()
    check_published(data_dir)

    del lists["leads"][0], lists["users"][3:], lists["users"][1]
    monkeypatch.setattr(File, "dbt_arguments", HISTORY_AND_TWO_MARTS)
    outcome = elt("run")
    assert outcome.exit_code == 0, outcome.stdout + outcome.stderr
    assert query(
        "select contact_id, user_id, contact_stage from marts.dim_contacts order by 1"
    ) == [
        ("2", None, "lead"),
        ("3", "u3", "direct_user"),
        (str(NUMBER), "u1", "direct_user"),  # the API still lists it
    ]
    assert query("select sum(new_contacts) from marts.fct_contacts_daily") == [(3,)]
    with duckdb.connect(str(data_dir / "contacts.duckdb"), read_only=True) as contacts:
        assert contacts.sql("select count(*) from dim_contacts").fetchall() == [(3,)]


def check_published(data_dir: Path) -> None:
    """Check that one version is left, which has the warehouse's rows and none of the person."""
    versions = data_dir / "published"
    assert sorted(path.name for path in versions.iterdir()) == sorted(
        [os.readlink(versions / "current"), "current"]
    )
    with duckdb.connect(str(data_dir / "contacts.duckdb"), read_only=True) as contacts:
        kept = dict(contacts.sql("select mart, row_count from published").fetchall())
        ((read_at,),) = contacts.sql("select distinct users_read_at from published").fetchall()
        found = contacts.sql(
            f"select filename from read_parquet('{data_dir}/parquet/*.parquet', "
            "filename = true, union_by_name = true) as rows "
            f"where rows::varchar similar to '.*({'|'.join(MARKS)}).*'"
        ).fetchall()
    assert found == []
    assert read_at is not None  # though fct_loads is empty
    with opened(data_dir) as warehouse:
        for mart, count in kept.items():
            assert warehouse.sql(f"select count(*) from marts.{mart}").fetchall() == [(count,)]
