"""What the dashboard counts adds up to the marts, and names no person."""

from collections import defaultdict
from typing import Any

import duckdb
import pytest

from publish.dashboard import figures
from tests.support.published import EMPTY, Change

Found = dict[str, list[figures.Row]]
Sums = dict[tuple[Any, ...], tuple[int, ...]]

SAME_AS_MART = {
    "growth": (
        ["started_on", "new_leads", "new_users"],
        "select date_trunc('month', date_day)::date, sum(new_leads), sum(new_users) "
        "from fct_contacts_daily group by all",
    ),
    "cohorts": (
        ["month_start", "leads", "conversions"],
        "select first_contact_month, sum(leads), sum(conversions) from fct_acquisition_monthly "
        "group by all having sum(leads) > 0",
    ),
    "email": (
        ["month_start", "with_email", "unsubscribed", "bounced", "marked_as_spam", "reachable"],
        "select first_contact_month, contacts_with_email, unsubscribed, bounced, marked_as_spam, "
        "reachable from fct_email_health_monthly",
    ),
    "nps": (
        ["month_start", "votes", "promoters", "passives", "detractors"],
        "select vote_month, votes, promoters, passives, detractors from fct_nps_monthly",
    ),
    "countries": (
        ["country", "contacts", "active"],
        "select coalesce(country, 'unknown'), sum(contacts), sum(active_contacts) "
        "from fct_audience_by_country group by all",
    ),
}


@pytest.fixture(scope="module")
def found(marts: duckdb.DuckDBPyConnection) -> Found:
    """The figures of the sandbox; never changed."""
    return figures.read(marts)


def sums(rows: list[figures.Row], key: str, *fields: str) -> Sums:
    """Add up the rows of all time over channels."""
    totals: dict[tuple[Any, ...], list[int]] = defaultdict(lambda: [0] * len(fields))
    for row in rows:
        if row["period"] == "All time":
            total = totals[(row[key],)]
            for number, name in enumerate(fields):
                total[number] += row[name]
    return {key: tuple(total) for key, total in totals.items()}


@pytest.mark.parametrize("query", SAME_AS_MART)
def test_sums_over_channels_equal_the_mart(
    found: Found, marts: duckdb.DuckDBPyConnection, query: str
) -> None:
    fields, mart = SAME_AS_MART[query]
    expected = {(row[0],): row[1:] for row in marts.execute(mart).fetchall()}
    assert expected
    assert sums(found[query], *fields) == expected


def test_retention_equals_the_mart_in_months_that_are_over(
    found: Found, marts: duckdb.DuckDBPyConnection
) -> None:
    rows = [
        row | {"cell": (row["signup_month"], row["months_since"])} for row in found["retention"]
    ]
    mart = marts.execute(
        "select signup_month, months_since_signup, cohort_users, active_users "
        "from fct_retention_monthly where is_month_over and months_since_signup between 1 and 12"
    ).fetchall()
    assert sums(rows, "cell", "cohort_users", "active_users") == {
        (row[:2],): row[2:] for row in mart
    }


def test_nps_points_are_the_mart_s_score_of_each_month(
    found: Found, marts: duckdb.DuckDBPyConnection
) -> None:
    nps = sums(found["nps"], "month_start", "points", "votes")
    mart = marts.execute("select vote_month, nps_score from fct_nps_monthly").fetchall()
    assert {key: points / votes for key, (points, votes) in nps.items()} == {
        (month,): pytest.approx(score) for month, score in mart
    }


@pytest.mark.parametrize(("period", "days"), [("Last 30 days", 30), ("Last 90 days", 90)])
def test_headline_equals_the_daily_mart(
    found: Found, marts: duckdb.DuckDBPyConnection, period: str, days: int
) -> None:
    rows = [row for row in found["headline"] if row["period"] == period]
    daily = (
        f"(select *, max(date_day) over () - date_day as days_ago, {days} as n "
        "from fct_contacts_daily)"
    )
    (expected,) = marts.execute(
        f"""
        select
            max(total_contacts) as total_contacts,
            sum(new_contacts) filter (days_ago < n) as new_contacts,
            sum(new_contacts) filter (days_ago >= n and days_ago < 2 * n) as previous_new_contacts,
            max(total_users) as total_users,
            sum(new_users) filter (days_ago < n) as new_users,
            sum(new_users) filter (days_ago >= n and days_ago < 2 * n) as previous_new_users,
            max(total_leads) as leads,
            max(total_conversions) as conversions,
            max(total_leads) filter (days_ago = n) as previous_leads,
            max(total_conversions) filter (days_ago = n) as previous_conversions,
            max(active_contacts) filter (days_ago = 0) as active,
            max(active_contacts) filter (days_ago = n) as previous_active
        from {daily}
        """
    ).fetchall()
    names = [name for name in rows[0] if name not in ("period", "channel")]
    assert [sum(row[name] for row in rows) for name in names] == list(expected)


def test_twelve_months_are_whole_and_compared_with_as_many_days_before(
    found: Found, marts: duckdb.DuckDBPyConnection
) -> None:
    (row,) = (row for row in found["periods"] if row["period"] == "Last 12 months")
    (first, days) = marts.execute(
        "select date_trunc('month', max(date_day)) - interval 11 month, "
        "max(date_day) - (date_trunc('month', max(date_day)) - interval 11 month)::date + 1 "
        "from fct_contacts_daily"
    ).fetchall()[0]
    assert (row["first_day"], row["day_count"]) == (f"{first:%-d %b %Y}", days)


def contacts_of(*rows: tuple[str | None, str | None, str | None, int]) -> list[str]:
    """Statements that leave contacts of these sources, mediums and countries, so many of each."""
    values = ", ".join(
        f"({', '.join('null' if text is None else repr(text) for text in row[:3])}, {row[3]})"
        for row in rows
    )
    return [
        "create table one as from dim_contacts where not is_user limit 1",
        "delete from dim_contacts",
        "insert into dim_contacts select one.* replace (source as utm_source, medium as utm_medium,"
        "made.country as country, null as country_code, 'c' || row_number() over () as contact_id) "
        f"from one, (values {values}) as made (source, medium, country, n), range(n)",
    ]


def test_only_channels_of_five_contacts_and_the_largest_eight_are_named(changed: Change) -> None:
    rows = [("source", f"medium{number}", "Italy", 20 - number) for number in range(9)]
    found = figures.read(changed(*contacts_of(*rows, ("rare", "word", "Italy", 4))))
    assert [row["channel"] for row in found["channels"]] == [
        *(f"source / medium{number}" for number in range(8)),
        "other channels",
    ]
    assert total(found["leads"], "channel", "other channels", "leads") == 12 + 4


def test_only_countries_of_five_contacts_and_the_largest_ten_are_named(changed: Change) -> None:
    rows = [("google", "cpc", f"Country {number}", 20 - number) for number in range(11)]
    found = figures.read(changed(*contacts_of(*rows, ("google", "cpc", "Tinyland", 4))))
    named = {row["country"] for row in found["countries"]}
    assert named == {*(f"Country {number}" for number in range(10)), "other countries"}
    assert total(found["countries"], "country", "other countries", "contacts") == 10 + 4


def test_a_channel_or_country_of_four_contacts_is_not_named_though_there_are_few(
    changed: Change,
) -> None:
    rows = [("named", "cpc", "Italy", 5), ("rare", "word", "Tinyland", 4)]
    found = figures.read(changed(*contacts_of(*rows)))
    assert [row["channel"] for row in found["channels"]] == ["named / cpc", "other channels"]
    assert {row["country"] for row in found["countries"]} == {"Italy", "other countries"}


@pytest.mark.parametrize(
    "text",
    ["ada@example.com", "ada%40example.com", "+39 347 1234567", f"{'ada.' * 20}@example.com"],
)
def test_what_looks_like_an_address_is_never_named(changed: Change, text: str) -> None:
    found = figures.read(changed(*contacts_of((text, "cpc", text, 50))))
    assert [row["channel"] for row in found["channels"]] == ["other channels"]
    assert {row["country"] for row in found["countries"]} == {"other countries"}


def test_a_visit_without_campaign_is_not_one_whose_source_is_direct(
    changed: Change,
) -> None:
    rows = [(None, None, None, 9), ("direct", None, None, 6), (None, "cpc", None, 5)]
    found = figures.read(changed(*contacts_of(*rows)))
    assert [row["channel"] for row in found["channels"]] == [
        "direct / (none)",
        "(none) / cpc",
        "no campaign",
    ]


def test_a_young_cohort_is_not_final(found: Found) -> None:
    final = {row["month_start"]: row["is_final"] for row in found["cohorts"]}
    assert not final[max(final)]
    assert final[min(final)]


def test_no_data_without_contacts_is_no_error(changed: Change) -> None:
    found = figures.read(changed(*EMPTY))
    assert {name for name, rows in found.items() if rows} == {"about", "periods"}


def total(rows: list[figures.Row], key: str, name: str, count: str) -> int:
    return sum(row[count] for row in rows if row["period"] == "All time" and row[key] == name)
