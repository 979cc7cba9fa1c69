"""The dashboard as people see it: in a browser, from a file, without network."""

import importlib.util
import re
import subprocess
import sys
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import duckdb
import pytest

from publish import dashboard
from publish.dashboard import is_installed  # as it is, before tests turn it off
from tests.publish.conftest import EMPTY, Change, Open, Seen

HOSTILE = "</script><img src=x onerror=alert(1)>"
MINUS = "\N{MINUS SIGN}"
PHONE = {"width": 360, "height": 740}
TITLES = [
    "New leads and users",
    "Conversion by cohort",
    "Channels",
    "Countries",
    "Net promoter score",
    "Reachable by e-mail",
    "Lost to e-mail",
    "Retention",
]


def one(marts: duckdb.DuckDBPyConnection, sql: str) -> Any:
    (row,) = marts.execute(sql).fetchall()
    return row[0]


def test_page_needs_no_network_and_complains_of_nothing(seen: Seen) -> None:
    seen.choose("Period", "All time")
    seen.choose("Period", "Last 30 days")
    seen.choose("Channel", "google / cpc")
    assert seen.complaints == []
    assert [url for url in seen.requests if not url.startswith(("file:", "data:"))] == []


def test_every_chart_is_drawn(seen: Seen) -> None:
    assert seen.page.locator("figure h3").all_text_contents() == TITLES
    for title in TITLES:
        picture = seen.page.get_by_role("figure", name=title, exact=True).locator("svg")
        assert picture.locator(".mark-symbol path, .mark-rect path").count() > 5


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


def cell(value: Any) -> str:
    """A value as the page shows it: browsers round halves away from zero."""
    if isinstance(value, list):
        part, whole = value
        share = Decimal(100) * part / whole
        return f"{share.quantize(Decimal('0.1'), ROUND_HALF_UP)}%"
    return f"{value:,}" if isinstance(value, int) else str(value)


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
    shown, said = rate_change.split(" ", 1)
    assert float(shown) == pytest.approx(points, abs=0.0501)
    assert said == f"points since {day}"
    assert active_change == f"{active:+,} since {day}"


def test_a_channel_that_began_in_the_period_is_compared_with_nothing(
    changed: Change, open_page: Open
) -> None:
    new = f"update dim_contacts set utm_source = 'new' where first_contact_at > {LAST_DAY} - 20"
    with open_page(dashboard.render(changed(new))) as seen:
        seen.choose("Channel", "new / cpc")
        seen.choose("Period", "Last 30 days")
        assert re.fullmatch(
            r"[\d,]+ new in the period, none in the 30 days before",
            seen.page.locator("#contacts .change").inner_text(),
        )
        assert seen.page.locator("#conversion-rate .change").inner_text() == ""


def test_the_chosen_channel_is_pointed_out(seen: Seen) -> None:
    def faint() -> int:
        bars = "svg .mark-rect path[opacity='0.35']"
        return seen.page.get_by_role("figure", name="Channels", exact=True).locator(bars).count()

    assert faint() == 0
    seen.choose("Channel", "google / cpc")
    assert faint() == 2 * (len(seen.table("Channels")) - 1)


def test_a_month_that_is_not_over_has_a_hollow_point(seen: Seen) -> None:
    points = seen.page.get_by_role("figure", name="New leads and users").locator(
        "svg .mark-symbol.role-mark path"
    )
    fills = [point.get_attribute("fill") for point in points.all()]
    assert fills.count("var(--card)") == 2
    assert len(fills) == 24


def test_the_page_may_load_and_send_nothing(html: str) -> None:
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', html)
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe-eval" not in policy
    assert re.search(r"script-src( 'sha256-[\w+/]+=')+$", policy)


def test_a_list_that_was_never_read_leaves_the_age_unknown(changed: Change) -> None:
    html = dashboard.render(changed("update published set data_as_of = null"))
    assert "When the data was read is not known." in html


def test_after_forgetting_somebody_the_page_still_knows_its_last_day(
    changed: Change, open_page: Open, marts: duckdb.DuckDBPyConnection
) -> None:
    """`elt forget` empties the marts of totals until the next run."""
    day = one(marts, f"select strftime({LAST_DAY}, '%-d %b %Y')")
    html = dashboard.render(changed("delete from fct_contacts_daily", "delete from fct_loads"))
    with open_page(html) as seen:
        assert f"to {day}" in seen.page.locator("#span").inner_text()
        assert seen.page.locator(".empty").count() == 0


def test_channels_are_all_compared_whichever_is_chosen(seen: Seen) -> None:
    before = seen.table("Channels")
    seen.choose("Channel", "google / cpc")
    assert seen.table("Channels") == before
    assert len(before) > 1


def test_dark_scheme_changes_page_and_charts(html: str, open_page: Open) -> None:
    colours = []
    for scheme in ("light", "dark"):
        with open_page(html, color_scheme=scheme) as seen:
            colours.append(colours_of(seen))
    light, dark = colours
    assert all(before != after for before, after in zip(light, dark, strict=True))


def test_theme_can_be_chosen_against_the_system_s(html: str, open_page: Open) -> None:
    with open_page(html, color_scheme="light") as seen:
        before = colours_of(seen)
        seen.choose("Theme", "Dark")
        assert all(one != other for one, other in zip(before, colours_of(seen), strict=True))


def colours_of(seen: Seen) -> list[str]:
    """The colours of the page, of a card, of a text and of a chart's mark."""
    colours: list[str] = seen.page.evaluate(
        """[["html", "backgroundColor"], [".card", "backgroundColor"], ["h1", "color"],
            [".mark-line path", "stroke"]].map(
            ([selector, property]) => getComputedStyle(document.querySelector(selector))[property])
        """
    )
    return colours


def test_phone_scrolls_in_one_direction_only(html: str, open_page: Open) -> None:
    with open_page(html, viewport=PHONE) as seen:
        seen.choose("Period", "All time")
        for summary in seen.page.locator("summary").all():
            summary.click()
        assert seen.page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]


def test_keyboard_reaches_and_changes_the_filters(seen: Seen) -> None:
    seen.page.keyboard.press("Tab")
    assert seen.page.evaluate("document.activeElement.id") == "period"
    seen.page.keyboard.press("Tab")
    assert seen.page.evaluate("document.activeElement.id") == "channel"
    before = seen.value("contacts")
    seen.page.keyboard.press("ArrowDown")
    seen.wait()
    assert seen.value("contacts") != before


def test_a_change_of_a_filter_is_announced(seen: Seen) -> None:
    assert seen.page.get_by_role("status").inner_text() == ""
    seen.choose("Channel", "google / cpc")
    assert (
        seen.page.get_by_role("status")
        .inner_text()
        .startswith(f"Last 12 months, google / cpc: {seen.value('contacts')} contacts.")
    )


def test_screen_readers_find_one_title_named_filters_and_named_charts(seen: Seen) -> None:
    assert seen.page.get_by_role("heading", level=1).count() == 1
    assert seen.page.locator("html").get_attribute("lang") == "en"
    for label in ("Period", "Channel", "Theme"):
        assert seen.page.get_by_role("combobox", name=label).count() == 1
    pictures = seen.page.locator(".picture[role=img]").all()
    names = [picture.get_attribute("aria-label") or "" for picture in pictures]
    assert [name.split(":")[0] for name in names] == TITLES
    assert all(re.search(r"\d", name) for name in names)


def test_page_of_an_empty_file_says_so(changed: Change, open_page: Open) -> None:
    with open_page(dashboard.render(changed(*EMPTY))) as seen:
        assert seen.value("contacts") == "No data"
        assert seen.page.locator(".empty").all_text_contents() == ["No data"] * len(TITLES)
        assert seen.complaints == []


def test_page_of_contacts_without_users_or_votes_is_drawn(changed: Change, open_page: Open) -> None:
    only_leads = [
        "delete from dim_contacts where is_user",
        "delete from dim_leads where is_converted",
        "delete from dim_users",
    ]
    with open_page(dashboard.render(changed(*only_leads))) as seen:
        assert seen.value("conversion-rate") == "0.0%"
        assert seen.page.locator(".empty").count() == 2  # votes and retention
        assert seen.complaints == []


def test_hostile_text_is_shown_and_does_nothing(changed: Change, open_page: Open) -> None:
    hostile = f"update dim_contacts set utm_source = '{HOSTILE}', country = '{HOSTILE}'"
    html = dashboard.render(changed(hostile))
    assert HOSTILE not in html
    with open_page(html) as seen:
        assert seen.page.locator("img").count() == 0
        assert seen.table("Channels")[0][0].startswith(HOSTILE)
        assert seen.complaints == []


def test_page_holds_no_value_of_a_person(html: str, marts: duckdb.DuckDBPyConnection) -> None:
    rows = marts.execute(
        "select email, full_name, username, city, utm_campaign, referrer, last_page_viewed_url "
        "from dim_contacts"
    ).fetchall()
    words = {value for row in rows for value in row if value and len(value) > 3}
    data = html[html.index('id="data">') : html.index("<script>")]
    assert [word for word in words if f'"{word}"' in data] == []
    assert "@" not in data


def test_importing_the_package_does_not_import_altair() -> None:
    code = "import sys, publish.dashboard; sys.exit('altair' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("missing", dashboard.EXTRA)
def test_dashboard_is_not_installed_without_its_packages(
    missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert is_installed()
    found = importlib.util.find_spec
    monkeypatch.setattr(
        dashboard, "find_spec", lambda name: None if name == missing else found(name)
    )
    assert not is_installed()
