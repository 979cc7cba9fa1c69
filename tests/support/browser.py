"""The dashboard of the sandbox, and a browser that opens it."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Literal
from unittest.mock import patch

import duckdb
import pytest
import vl_convert
from playwright.sync_api import Browser, ConsoleMessage, Page, ViewportSize, sync_playwright

from publish import dashboard
from tests.support.skips import skip_without

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
DESKTOP: ViewportSize = {"width": 1280, "height": 720}
TEXT_OF_CELLS = """
    rows => rows.map(row => Array.from(row.querySelectorAll("td"), cell => cell.textContent.trim()))
"""


@dataclass
class Seen:
    """A page that is open, with the messages of its console and the URLs that it requested."""

    page: Page
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def note_message(self, message: ConsoleMessage) -> None:
        """Note a message of the console."""
        self.complaints.append(message.text)

    def choose(self, label: str, option: str) -> None:
        """Choose an option of a filter, and wait until everything is drawn."""
        self.page.get_by_role("combobox", name=label).select_option(label=option)
        self.wait()

    def wait(self) -> None:
        """Wait until everything is drawn."""
        self.page.wait_for_selector("body[data-state=drawn]")

    def value(self, figure: str) -> str:
        """Return the value of a figure at the top of the page."""
        return self.page.locator(f"#{figure} .value").inner_text()

    def table(self, title: str) -> list[list[str]]:
        """Return the cells of a chart's table, row by row."""
        rows = self.page.get_by_role("figure", name=title, exact=True).locator("tbody tr")
        cells: list[list[str]] = rows.evaluate_all(TEXT_OF_CELLS)
        return cells


Open = Callable[..., Seen]
Render = Callable[[duckdb.DuckDBPyConnection], str]


@pytest.fixture(scope="session")
def html(sandbox_folder: Path) -> str:
    """The page that the run on the sandbox drew."""
    return (sandbox_folder / "dashboard.html").read_text()


@pytest.fixture(scope="session")
def render() -> Iterator[Render]:
    """Render the page of marts; Vega, which depends on no data, is bundled once a session."""
    bundle = cache(vl_convert.javascript_bundle)
    with patch.object(vl_convert, "javascript_bundle", bundle):
        yield dashboard.render


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A browser of the system."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if not found:
        skip_without(f"needs a browser: install one of {', '.join(BROWSERS)}")
    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=found, args=ARGUMENTS)


@pytest.fixture(scope="session")
def open_page(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Open]:
    """Open a page's HTML from a file, without network, in the one tab of the session.

    A new tab takes three times as long. What a test did ends with its page: it keeps no data.
    """
    file = tmp_path_factory.mktemp("page") / "dashboard.html"
    with browser.new_context(offline=True) as context:
        tab = Seen(context.new_page())
        tab.page.on("console", tab.note_message)
        tab.page.on("pageerror", lambda error: tab.complaints.append(str(error)))
        tab.page.on("request", lambda request: tab.requests.append(request.url))

        def open_in_tab(
            html: str,
            color_scheme: Literal["light", "dark"] = "light",
            viewport: ViewportSize = DESKTOP,
        ) -> Seen:
            tab.page.goto("about:blank")
            tab.page.emulate_media(color_scheme=color_scheme)
            tab.page.set_viewport_size(viewport)
            tab.complaints.clear()
            tab.requests.clear()
            file.write_text(html)
            tab.page.goto(file.as_uri())
            tab.wait()
            return tab

        yield open_in_tab


@pytest.fixture
def seen(html: str, open_page: Open) -> Seen:
    """The sandbox's dashboard, just opened."""
    return open_page(html)
