"""The dashboard as people see it: in a browser, from a file, without network."""

import re

import duckdb
import pytest
from playwright.sync_api import ViewportSize

from tests.support.browser import Open, Render, Seen
from tests.support.published import EMPTY, Change

HOSTILE = "</script><img src=x onerror=alert(1)>"
PHONE: ViewportSize = {"width": 360, "height": 740}
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
pytestmark = pytest.mark.xdist_group("browser")


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
    fills = points.evaluate_all("points => points.map(point => point.getAttribute('fill'))")
    assert fills.count("var(--card)") == 2
    assert len(fills) == 24


def test_channels_are_all_compared_whichever_is_chosen(seen: Seen) -> None:
    before = seen.table("Channels")
    seen.choose("Channel", "google / cpc")
    assert seen.table("Channels") == before
    assert len(before) > 1


def test_dark_scheme_changes_page_and_charts(html: str, open_page: Open) -> None:
    light = colours_of(open_page(html, color_scheme="light"))
    dark = colours_of(open_page(html, color_scheme="dark"))
    assert all(before != after for before, after in zip(light, dark, strict=True))


def test_theme_can_be_chosen_against_the_system_s(html: str, open_page: Open) -> None:
    seen = open_page(html, color_scheme="light")
    before = colours_of(seen)
    seen.choose("Theme", "Dark")
    assert all(one != other for one, other in zip(before, colours_of(seen), strict=True))


def colours_of(seen: Seen) -> list[str]:
    """Return the colours of the page, of a card, of a text and of a chart's mark."""
    colours: list[str] = seen.page.evaluate(
        """[["html", "backgroundColor"], [".card", "backgroundColor"], ["h1", "color"],
            [".mark-line path", "stroke"]].map(
            ([selector, property]) => getComputedStyle(document.querySelector(selector))[property])
        """
    )
    return colours


def test_phone_scrolls_in_one_direction_only(html: str, open_page: Open) -> None:
    seen = open_page(html, viewport=PHONE)
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
    status = seen.page.get_by_role("status")
    assert status.inner_text() == ""
    seen.choose("Channel", "google / cpc")
    contacts = seen.value("contacts")
    assert status.inner_text().startswith(f"Last 12 months, google / cpc: {contacts} contacts.")


def test_screen_readers_find_one_title_named_filters_and_named_charts(seen: Seen) -> None:
    assert seen.page.get_by_role("heading", level=1).count() == 1
    assert seen.page.locator("html").get_attribute("lang") == "en"
    for label in ("Period", "Channel", "Theme"):
        assert seen.page.get_by_role("combobox", name=label).count() == 1
    pictures = seen.page.locator(".picture[role=img]").all()
    names = [picture.get_attribute("aria-label") or "" for picture in pictures]
    assert [name.split(":")[0] for name in names] == TITLES
    assert all(re.search(r"\d", name) for name in names)


def test_page_of_an_empty_file_shows_that_there_is_no_data(
    changed: Change, render: Render, open_page: Open
) -> None:
    seen = open_page(render(changed(*EMPTY)))
    assert seen.value("contacts") == "No data"
    assert seen.page.locator(".empty").all_text_contents() == ["No data"] * len(TITLES)
    assert seen.complaints == []


def test_page_of_contacts_without_users_or_votes_is_drawn(
    changed: Change, render: Render, open_page: Open
) -> None:
    only_leads = [
        "delete from dim_contacts where is_user",
        "delete from dim_leads where is_converted",
        "delete from dim_users",
    ]
    seen = open_page(render(changed(*only_leads)))
    assert seen.value("conversion-rate") == "0.0%"
    assert seen.page.locator(".empty").count() == 2  # votes and retention
    assert seen.complaints == []


def test_after_forgetting_somebody_the_page_still_knows_its_last_day(
    changed: Change, render: Render, open_page: Open, marts: duckdb.DuckDBPyConnection
) -> None:
    """`elt forget` empties the marts of totals until the next run."""
    ((day,),) = marts.execute(
        "select strftime(max(date_day), '%-d %b %Y') from fct_contacts_daily"
    ).fetchall()
    seen = open_page(render(changed("delete from fct_contacts_daily", "delete from fct_loads")))
    assert f"to {day}" in seen.page.locator("#span").inner_text()
    assert seen.page.locator(".empty").count() == 0


def test_hostile_text_is_shown_and_does_nothing(
    changed: Change, render: Render, open_page: Open
) -> None:
    html = render(
        changed(f"update dim_contacts set utm_source = '{HOSTILE}', country = '{HOSTILE}'")
    )
    assert HOSTILE not in html
    seen = open_page(html)
    assert seen.page.locator("img").count() == 0
    assert seen.table("Channels")[0][0].startswith(HOSTILE)
    assert seen.complaints == []
