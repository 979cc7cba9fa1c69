"""The models on loaded rows: what they make of dirty rows and of every spelling of a timestamp.

Contacts that change between runs are in tests/e2e/test_history.py.
"""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

from extract import settings
from extract.values import parse_moment
from tests.support.builders import Load, Row, lead, moment, user
from tests.support.compiled import Compiled

NO_ROW: Row = {}
UNEXPECTED: Row = {field: "\t?{}\n" for field in settings.TEXT_FIELDS["leads"] if field != "email"}
LEADS = [
    NO_ROW,
    lead(None),
    lead(1),
    lead(2, last_update=None),
    lead(3, first_seen_at="2024-02-30"),
    lead(4, last_update="?"),
    lead(5, **UNEXPECTED, attributes={"role": {"a": [1]}, "x.y": '"'}),
]
USERS = [
    NO_ROW,
    user("a", 7),
    user("b", 7, -1),
    {**user("c", 8), **UNEXPECTED},
    user("d", 11, create_date=1735696800),
    user("e", 12, attributes={"create_date": "1735696800"}),
    user("f", 13, attributes={"create_date": "2025-01-01 02:00:00"}),
    user("g", 14, attributes={"create_date": "2025-01-01T03:00:00+01:00"}),
]

SPELLINGS = [
    "2026-05-01 10:00:00",
    "2026-05-01",
    "2026-05-01T10:00",
    "2026-05-01T10:00+02:00",
    "2026-05-01 10:00 Z",
    "2026-05-01t10:00:00z",
    "2026-05-01T10:00:00.25-0730",
    " 2026-05-01 10:00:00 +05\n",
    "1780315200",
    "1780315200.5",
    "2026-05-01T11",
    "20260501T100000Z",
    "20260501",
    "2026-02-30 10:00:00",
    "2026-05-01 25:00:00",
    "1970-01-01 00:00:00",
    "0000-00-00 00:00:00",
    "2026-05-01T10:00:00 Europe/Rome",
    "\u0662026-05-01",
    "infinity",
    "",
]


@pytest.fixture
def loaded_warehouse(loaded: Load, data_dir: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """The warehouse that a first run makes of `LEADS` and `USERS`, without models."""
    loaded(LEADS, USERS)
    with duckdb.connect(str(data_dir / "warehouse.duckdb")) as connection:
        yield connection


@pytest.fixture
def built_warehouse(
    loaded_warehouse: duckdb.DuckDBPyConnection, compiled: Compiled
) -> duckdb.DuckDBPyConnection:
    compiled.build(loaded_warehouse)
    return loaded_warehouse


@pytest.fixture
def sandbox_warehouse(sandbox_copy: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(str(sandbox_copy / "warehouse.duckdb")) as connection:
        yield connection


def rows(warehouse: duckdb.DuckDBPyConnection, sql: str) -> list[Any]:
    return warehouse.sql(sql).fetchall()


def test_dirty_rows_warn_and_fail_no_test(
    built_warehouse: duckdb.DuckDBPyConnection, compiled: Compiled
) -> None:
    assert compiled.test(built_warehouse) == dict.fromkeys(
        [
            "assert_no_contact_has_two_accounts",
            "assert_no_row_was_rejected",
            "dates_of_leads_are_readable",
            "dates_of_users_are_readable",
            "flags_and_numbers_of_leads_are_readable",
            "flags_and_numbers_of_users_are_readable",
        ],
        "warn",
    )
    assert [
        (row["crmhero_user_id"], row["column_name"], row["unreadable_value"])
        for row in compiled.found(built_warehouse, "dates_of_leads_are_readable")
        if row["crmhero_user_id"] != 5
    ] == [(3, "first_seen_at", "2024-02-30"), (4, "last_update", "?")]
    rejected = compiled.found(built_warehouse, "assert_no_row_was_rejected")
    assert sorted((row["resource"], row["reason"]) for row in rejected) == [
        ("leads", "crmhero_user_id is missing or blank"),
        ("leads", "crmhero_user_id is missing or blank"),
        ("users", "user_id is missing or blank"),
    ]


def test_each_row_with_a_key_is_one_contact_whatever_is_in_its_fields(
    built_warehouse: duckdb.DuckDBPyConnection,
) -> None:
    assert rows(built_warehouse, "select contact_id from marts.dim_contacts order by all") == [
        (number,) for number in ("1", "11", "12", "13", "14", "2", "3", "4", "5", "7", "8")
    ]
    assert rows(built_warehouse, "select user_id from marts.dim_users order by all") == [
        (user_id,) for user_id in "bcdefg"
    ]


def test_a_row_without_a_readable_last_update_is_a_contact_like_any_other(
    built_warehouse: duckdb.DuckDBPyConnection,
) -> None:
    assert rows(
        built_warehouse,
        "select contact_id, last_updated_at from marts.dim_contacts "
        "where contact_id in ('1', '2', '4') order by all",
    ) == [("1", datetime.fromisoformat(moment())), ("2", None), ("4", None)]


def test_create_dates_are_utc_whatever_their_spelling_and_place(
    built_warehouse: duckdb.DuckDBPyConnection,
) -> None:
    created = "select user_id, created_at from marts.dim_users where user_id >= 'd' order by all"
    assert rows(built_warehouse, created) == [
        (user_id, datetime(2025, 1, 1, 2)) for user_id in "defg"
    ]


@pytest.mark.parametrize("zone", ["UTC", "Pacific/Auckland"])
def test_extract_and_models_read_the_same_timestamps(
    sandbox_warehouse: duckdb.DuckDBPyConnection, zone: str
) -> None:
    sandbox_warehouse.execute(f"set TimeZone = '{zone}'")
    for number, spelling in enumerate(SPELLINGS):
        sandbox_warehouse.execute(
            "insert into raw.leads (crmhero_user_id, last_update, _version, _dlt_load_id, "
            "_dlt_id) values (?, ?, '', '1', ?)",
            [-1 - number, spelling, str(number)],
        )
    read = rows(
        sandbox_warehouse,
        "select last_updated_at from staging.stg_analytics_api__leads "
        "where contact_id like '-%' order by cast(contact_id as integer) desc",
    )
    parsed = [parse_moment(spelling) for spelling in SPELLINGS]
    assert [timestamp for (timestamp,) in read] == [
        timestamp.replace(tzinfo=None) if timestamp else None for timestamp in parsed
    ]
    assert sum(timestamp is not None for timestamp in parsed) == 10


@pytest.mark.parametrize("zone", ["Pacific/Auckland", "America/New_York"])
def test_the_time_zone_of_the_session_changes_no_mart(
    sandbox_warehouse: duckdb.DuckDBPyConnection,
    sandbox_folder: Path,
    compiled: Compiled,
    zone: str,
) -> None:
    """Sessions of dbt are in UTC; tests/e2e/test_history.py runs in another zone."""
    sandbox_warehouse.execute(f"set TimeZone = '{zone}'")
    sandbox_warehouse.execute("drop table snapshots.snap_contacts")  # history begins there, too
    compiled.build(sandbox_warehouse)
    built = f"'{sandbox_folder / 'warehouse.duckdb'}' as built_by_dbt (read_only)"
    sandbox_warehouse.execute(f"attach {built}")
    marts = [
        name
        for (name,) in rows(
            sandbox_warehouse,
            "select table_name from duckdb_tables() "
            "where database_name = 'built_by_dbt' and schema_name = 'marts'",
        )
    ]
    assert len(marts) == 14
    for mart in marts:
        of_mart = f"marts.{mart} order by all"
        assert rows(sandbox_warehouse, f"from warehouse.{of_mart}") == rows(
            sandbox_warehouse, f"from built_by_dbt.{of_mart}"
        )
