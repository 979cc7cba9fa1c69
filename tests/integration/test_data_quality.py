"""The data tests: damaged data fails the tests that are meant for it, and no other.

That dbt stores the rows that a test finds is tested in tests/e2e/test_history.py.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from tests.support.compiled import Compiled

ADD_UP = "assert_marts_add_up"
NOT_LOST = "assert_no_contact_is_lost_or_invented"
A_LEAD = "contact_id = (select min(contact_id) from marts.dim_contacts where not is_user)"
A_USER = "contact_id = (select min(contact_id) from marts.dim_users)"
A_CONVERSION = "contact_id = (select min(contact_id) from marts.fct_lead_conversions)"
NUMBERED = "from raw.users where crmhero_user_id is not null"
A_DAY = "date_day = date '2026-01-15'"
A_COHORT = "signup_month = date '2026-01-01' and months_since_signup = 1"

# what is broken -> the tests that fail
BLOCKING = {
    "a contact is lost": (
        f"delete from intermediate.int_contacts_resolved where {A_LEAD}",
        {NOT_LOST, ADD_UP},
    ),
    "a contact is invented": (
        "insert into intermediate.int_contacts_resolved select * replace ('ghost' as contact_id) "
        f"from intermediate.int_contacts_resolved where {A_LEAD}",
        {NOT_LOST, ADD_UP},
    ),
    "a contact is there twice": (
        "insert into intermediate.int_contacts_resolved "
        f"from intermediate.int_contacts_resolved where {A_LEAD}",
        {"unique_int_contacts_resolved_contact_id", ADD_UP},
    ),
    "a contact has an unknown stage": (
        f"update marts.dim_contacts set contact_stage = 'customer' where {A_USER}",
        {"accepted_values_dim_contacts_contact_stage__lead__converted_user__direct_user", ADD_UP},
    ),
    "a user is no contact": (
        f"update marts.dim_users set contact_id = 'ghost' where {A_USER}",
        {"relationships_dim_users_contact_id__contact_id__ref_dim_contacts_"},
    ),
    "a user has no day of signing up": (
        f"update marts.dim_users set signed_up_at = null where {A_USER}",
        {"not_null_dim_users_signed_up_at"},
    ),
    "a conversion is of no lead": (
        f"update marts.fct_lead_conversions set contact_id = 'ghost' where {A_CONVERSION}",
        {"relationships_fct_lead_conversions_contact_id__contact_id__ref_dim_leads_"},
    ),
    "a conversion is there twice": (
        "insert into marts.fct_lead_conversions "
        f"from marts.fct_lead_conversions where {A_CONVERSION}",
        {"unique_fct_lead_conversions_contact_id", ADD_UP},
    ),
    "an attribute is of no contact": (
        "update marts.fct_contact_attributes set contact_id = 'ghost' where rowid = 0",
        {"relationships_fct_contact_attributes_contact_id__contact_id__ref_dim_contacts_"},
    ),
    "a day is missing": (
        f"delete from marts.fct_contacts_daily where {A_DAY}",
        {ADD_UP},
    ),
    "a day counts a lead too many": (
        f"update marts.fct_contacts_daily set new_leads = new_leads + 1 where {A_DAY}",
        {ADD_UP},
    ),
    "a channel is there twice": (
        "insert into marts.fct_acquisition_monthly "
        "select * replace (0 as contacts, 0 as leads, 0 as direct_users, 0 as conversions) "
        "from marts.fct_acquisition_monthly limit 1",
        {
            "unique_combination_fct_acquisition_monthly_"
            "first_contact_month__utm_source__utm_medium__utm_campaign"
        },
    ),
    "more than all convert": (
        "update marts.fct_acquisition_monthly set conversion_rate = 1.01 where rowid = 0",
        {"within_range_fct_acquisition_monthly_conversion_rate__1__0"},
    ),
    "less than none stay": (
        f"update marts.fct_retention_monthly set retention_rate = -0.01 where {A_COHORT}",
        {"within_range_fct_retention_monthly_retention_rate__1__0"},
    ),
    "a score is beyond all promoters": (
        "update marts.fct_nps_monthly set nps_score = 101 where rowid = 0",
        {"within_range_fct_nps_monthly_nps_score__100___100"},
    ),
    "history ends before the present": (
        f"delete from marts.fct_contact_changes where {A_LEAD}",
        {ADD_UP},
    ),
}
WARNING = {
    "an impossible date": (
        "update raw.leads set first_seen_at = '2024-02-30' where rowid = 0",
        {"dates_of_leads_are_readable"},
    ),
    "a date in the future": (
        f"update intermediate.int_contacts_resolved set created_at = '2099-01-01' where {A_USER}",
        {"assert_no_moment_is_in_the_future"},
    ),
    "a user under two ids": (
        f"update raw.users set user_id = (select min(user_id) {NUMBERED}) "
        f"where user_id = (select max(user_id) {NUMBERED})",
        {"assert_no_user_is_two_contacts"},
    ),
    "a flag that is none": (
        "update raw.users set unsubscribe = 'maybe' where rowid = 0",
        {"flags_and_numbers_of_users_are_readable"},
    ),
}


@pytest.fixture
def warehouse(sandbox_copy: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(str(sandbox_copy / "warehouse.duckdb")) as connection:
        yield connection


def test_all_data_tests_pass_on_the_sandbox(
    warehouse: duckdb.DuckDBPyConnection, compiled: Compiled
) -> None:
    assert len(compiled.tests) > 80
    assert compiled.test(warehouse) == {}


@pytest.mark.parametrize(
    ("damage", "intended", "status"),
    [
        *(pytest.param(*case, "fail", id=name) for name, case in BLOCKING.items()),
        *(pytest.param(*case, "warn", id=name) for name, case in WARNING.items()),
    ],
)
def test_damaged_data_fails_the_intended_tests_alone(
    warehouse: duckdb.DuckDBPyConnection,
    compiled: Compiled,
    damage: str,
    intended: set[str],
    status: str,
) -> None:
    (changed,) = warehouse.execute(damage).fetchone() or (0,)
    assert changed > 0
    (table,) = re.findall(r"^(?:insert into|update|delete from) (\w+[.]\w+)", damage)
    assert compiled.test(warehouse, reading=table) == dict.fromkeys(intended, status)
