"""The figures and tables of the dashboard in a browser equal the marts, for each choice."""

import re
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import duckdb
import pytest

from tests.support.browser import Open, Render, Seen
from tests.support.published import Change

MINUS = "\N{MINUS SIGN}"
pytestmark = pytest.mark.xdist_group("browser")
LAST_DAY = "(select max(date_day) from fct_contacts_daily)"
CHOICES = [
    ("Last 30 days", "", f"{LAST_DAY} - 29", "true"),
    ("Last 90 days", "google / cpc", f"{LAST_DAY} - 89", "utm_source || utm_medium = 'googlecpc'"),
    (
        "Last 12 months",
        "no campaign",
        f"date_trunc('month', {LAST_DAY}) - interval 11 month",
        "coalesce(utm_source, utm_medium) is null",
    ),
]
# a chart's table -> SQL of its cells: texts, counts, or pairs of which the share is shown
TABLES = {
    "Conversion by cohort": (
        "month_name(first_contact_at), count(*), count(*) filter (is_converted), "
        "[count(*) filter (is_converted), count(*)] from dim_contacts where {channel} "
        "and contact_stage <> 'direct_user' and first_contact_at >= date_trunc('month', {first}) "
        "group by date_trunc('month', first_contact_at), 1 "
        "order by date_trunc('month', first_contact_at)"
    ),
    "Channels": (
        "coalesce(utm_source || ' / ' || utm_medium, 'no campaign'), count(*), "
        "count(*) filter (is_converted), [count(*) filter (is_converted), count(*)] "
        "from dim_contacts where contact_stage <> 'direct_user' and first_contact_at >= {first} "
        "group by 1 order by 2 desc, 1"
    ),
    "Countries": (
        "coalesce(country, 'unknown'), count(*), count(*) filter (is_active), "
        "[count(*) filter (is_active), count(*)] from dim_contacts where {channel} "
        "group by 1 order by 2 desc, 1"
    ),
    "Reachable by e-mail": (
        "month_name(first_contact_at), count(email), count(*) filter (is_reachable), "
        "[count(*) filter (is_reachable), count(email)] from dim_contacts where {channel} "
        "and first_contact_at >= date_trunc('month', {first}) "
        "group by date_trunc('month', first_contact_at), 1 "
        "order by date_trunc('month', first_contact_at)"
    ),
    "Lost to e-mail": (
        "month_name(first_contact_at), count(email), "
        "[count(email) filter (is_unsubscribed), count(email)], "
        "[count(email) filter (is_bounced), count(email)], "
        "[count(email) filter (is_marked_as_spam), count(email)] from dim_contacts "
        "where {channel} and first_contact_at >= date_trunc('month', {first}) "
        "group by date_trunc('month', first_contact_at), 1 "
        "order by date_trunc('month', first_contact_at)"
    ),
    "Retention": (
        "month_name(signed_up_at), since, count(*), "
        "count(*) filter (last_active_month >= active_month), "
        "[count(*) filter (last_active_month >= active_month), count(*)] "
        "from (select *, "
        "date_trunc('month', signed_up_at) + to_months(since::int) as active_month, "
        "date_trunc('month', greatest(last_active_at, signed_up_at)) as last_active_month "
        "from dim_contacts, range(1, 13) as numbers (since) where is_user and {channel}) "
        "where signed_up_at >= date_trunc('month', {first}) "
        f"and active_month < date_trunc('month', {LAST_DAY}) "
        "group by date_trunc('month', signed_up_at), 1, 2 "
        "order by date_trunc('month', signed_up_at), 2"
    ),
}


def one(marts: duckdb.DuckDBPyConnection, sql: str) -> Any:
    """Return the value of a query of one row and column."""
    (row,) = marts.execute(sql).fetchall()
    return row[0]


def cell(value: Any) -> str:
    """A value as the page shows it: browsers round halves away from zero."""
    if isinstance(value, list):
        part, whole = value
        share = Decimal(100) * part / whole
        return f"{share.quantize(Decimal('0.1'), ROUND_HALF_UP)}%"
    return f"{value:,}" if isinstance(value, int) else str(value)


def test_figures_of_all_channels_equal_the_marts(
    seen: Seen, marts: duckdb.DuckDBPyConnection
) -> None:
    contacts = one(marts, "select count(*) from dim_contacts")
    users = one(marts, "select count(*) from dim_users")
    rate = one(marts, "select 100 * avg(is_converted::int) from dim_leads")
    active = one(marts, "select count(*) from dim_contacts where is_active")
    assert seen.value("contacts") == f"{contacts:,}"
    assert seen.value("users") == f"{users:,}"
    assert float(seen.value("conversion-rate").strip("%")) == pytest.approx(rate, abs=0.0501)
    assert seen.value("active") == f"{active:,}"


def test_figures_of_a_channel_and_period_equal_the_marts(
    seen: Seen, marts: duckdb.DuckDBPyConnection
) -> None:
    seen.choose("Channel", "google / cpc")
    seen.choose("Period", "Last 90 days")
    where = "from dim_contacts where utm_source = 'google' and utm_medium = 'cpc'"
    days_ago = "(select max(date_day) from fct_contacts_daily) - first_contact_at::date"
    new = one(marts, f"select count(*) {where} and {days_ago} < 90")
    before = one(marts, f"select count(*) {where} and {days_ago} between 90 and 179")
    rate = one(
        marts, f"select 100 * avg(is_converted::int) {where} and contact_stage <> 'direct_user'"
    )
    assert seen.value("contacts") == f"{one(marts, f'select count(*) {where}'):,}"
    assert seen.value("users") == f"{one(marts, f'select count(*) {where} and is_user'):,}"
    assert seen.value("active") == f"{one(marts, f'select count(*) {where} and is_active'):,}"
    assert float(seen.value("conversion-rate").strip("%")) == pytest.approx(rate, abs=0.0501)
    text = seen.page.locator("#contacts .change").inner_text().replace(MINUS, "-")
    found = re.fullmatch(rf"{new:,} new in the period, ([-+].*)% against the 90 days before", text)
    assert found
    assert float(found[1]) == pytest.approx(100 * (new / before - 1), abs=0.0501)


def test_tables_equal_the_marts(seen: Seen, marts: duckdb.DuckDBPyConnection) -> None:
    seen.choose("Period", "All time")
    growth = marts.execute(
        "select strftime(date_trunc('month', date_day), '%b %Y'), sum(new_leads), sum(new_users) "
        "from fct_contacts_daily group by date_trunc('month', date_day) "
        "order by date_trunc('month', date_day)"
    ).fetchall()
    assert seen.table("New leads and users") == [
        [month, f"{leads:,}", f"{users:,}"] for month, leads, users in growth
    ]
    votes = marts.execute(
        "select strftime(vote_month, '%b %Y'), votes, promoters, passives, detractors "
        "from fct_nps_monthly order by vote_month"
    ).fetchall()
    assert [row[:5] for row in seen.table("Net promoter score")] == [
        [month, *(f"{count:,}" for count in counts)] for month, *counts in votes
    ]


@pytest.mark.parametrize(
    ("period", "channel", "first", "condition"), CHOICES, ids=[choice[0] for choice in CHOICES]
)
def test_tables_of_a_period_and_channel_equal_the_marts(
    seen: Seen,
    marts: duckdb.DuckDBPyConnection,
    period: str,
    channel: str,
    first: str,
    condition: str,
) -> None:
    seen.choose("Period", period)
    seen.choose("Channel", channel or "All channels")
    found, expected = {}, {}
    for title, query in TABLES.items():
        sql = "select " + query.format(first=f"({first})", channel=condition)
        sql = re.sub(r"month_name\((\w+)\)", r"strftime(\1, '%b %Y')", sql)
        expected[title] = sorted([cell(v) for v in row] for row in marts.execute(sql).fetchall())
        found[title] = sorted(seen.table(title))
    assert found == expected
    assert all(found[title] for title in TABLES if title != "Retention")


def test_changes_of_rate_and_activity_are_since_the_day_before(
    seen: Seen, marts: duckdb.DuckDBPyConnection
) -> None:
    seen.choose("Period", "Last 90 days")
    daily = f"from fct_contacts_daily where date_day = {LAST_DAY}"
    rate = "100.0 * total_conversions / total_leads"
    points = one(marts, f"select {rate} {daily}") - one(marts, f"select {rate} {daily} - 90")
    active = one(marts, f"select active_contacts {daily}")
    active -= one(marts, f"select active_contacts {daily} - 90")
    day = one(marts, f"select strftime({LAST_DAY} - 90, '%-d %b %Y')")
    rate_change, active_change = (
        seen.page.locator(f"#{card} .change").inner_text().replace(MINUS, "-")
        for card in ("conversion-rate", "active")
    )
    shown, since = rate_change.split(" ", 1)
    assert float(shown) == pytest.approx(points, abs=0.0501)
    assert since == f"points since {day}"
    assert active_change == f"{active:+,} since {day}"


def test_a_channel_that_began_in_the_period_is_compared_with_nothing(
    changed: Change, render: Render, open_page: Open
) -> None:
    new = f"update dim_contacts set utm_source = 'new' where first_contact_at > {LAST_DAY} - 20"
    seen = open_page(render(changed(new)))
    seen.choose("Channel", "new / cpc")
    seen.choose("Period", "Last 30 days")
    assert re.fullmatch(
        r"[\d,]+ new in the period, none in the 30 days before",
        seen.page.locator("#contacts .change").inner_text(),
    )
    assert seen.page.locator("#conversion-rate .change").inner_text() == ""
