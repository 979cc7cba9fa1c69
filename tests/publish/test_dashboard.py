"""The dashboard as people see it: in a browser, from a file, without network."""

import importlib.util
import re
import subprocess
import sys
from typing import Any

import duckdb
import pytest

from publish import dashboard
from publish.dashboard import is_installed  # as it is, before tests turn it off
from tests.publish.conftest import EMPTY, Change, Open, Seen

HOSTILE = "</script><img src=x onerror=alert(1)>"
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
    assert seen.value("conversion-rate") == f"{rate:.1f}%"
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
    assert seen.value("conversion-rate") == f"{rate:.1f}%"
    change = f"{100 * (new / before - 1):+.1f}%".replace("-", "−")  # noqa: RUF001 -- a minus
    assert seen.page.locator("#contacts .change").inner_text() == (
        f"{new:,} new in the period, {change} against the 90 days before"
    )


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
