"""A published file, its dashboard, a browser to look at it, and a small warehouse to publish."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from extract.folder import Folder
from publish import dashboard

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
EMPTY = [
    f"delete from {mart}"
    for mart in ("dim_contacts", "dim_leads", "dim_users", "fct_contacts_daily", "published")
]


@dataclass
class Seen:
    """A page that is open, what it complained about and what it asked for."""

    page: Page
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def choose(self, label: str, option: str) -> None:
        """Choose an option of a filter, and wait until everything is drawn."""
        self.page.get_by_role("combobox", name=label).select_option(label=option)
        self.wait()

    def wait(self) -> None:
        """Wait until everything is drawn."""
        self.page.wait_for_selector("body[data-state=drawn]")

    def value(self, figure: str) -> str:
        """Return what a figure on top says."""
        return self.page.locator(f"#{figure} .value").inner_text()

    def table(self, title: str) -> list[list[str]]:
        """Return the cells of a chart's table, row by row."""
        rows = self.page.get_by_role("figure", name=title, exact=True).locator("tbody tr")
        return [
            [text.strip() for text in row.locator("td").all_text_contents()] for row in rows.all()
        ]


Fill = Callable[[int], None]
Change = Callable[..., duckdb.DuckDBPyConnection]
Open = Callable[..., AbstractContextManager[Seen]]


@pytest.fixture
def folder(data_dir: Path) -> Folder:
    """A data folder of this test."""
    folder = Folder(data_dir)
    folder.create()
    return folder


@pytest.fixture
def fill(folder: Folder) -> Fill:
    """Make a small warehouse in which every row of every mart has a number."""

    def make(number: int) -> None:
        with duckdb.connect(str(folder.warehouse)) as warehouse:
            warehouse.execute("create schema if not exists marts")
            for mart, rows in (("dim_leads", 3000), ("dim_users", 50), ("fct_retired", 1)):
                warehouse.execute(
                    f"create or replace table marts.{mart} as "
                    f"select {number} as number, i::varchar as name from range({rows}) as r(i)"
                )
            warehouse.execute(
                f"create or replace table marts.fct_loads as select {number} as number, "
                "timestamp '2026-06-01 12:00:00' as finished_at, "
                "1 as leads_rows_read, null as users_rows_read"
            )

    return make


@pytest.fixture(scope="session")
def published(sandbox_folder: Path) -> Path:
    """The published file of the sandbox."""
    return sandbox_folder / "contacts.duckdb"


@pytest.fixture(scope="session")
def marts(published: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(str(published), read_only=True) as connection:
        yield connection


@pytest.fixture
def changed(published: Path, tmp_path: Path) -> Iterator[Change]:
    """Run SQL on a copy of the published file, and open it as the dashboard does."""
    path = tmp_path / "contacts.duckdb"
    with ExitStack() as stack:

        def change(*statements: str) -> duckdb.DuckDBPyConnection:
            shutil.copyfile(published, path)
            with duckdb.connect(str(path)) as connection:
                for statement in statements:
                    connection.execute(statement)
            return stack.enter_context(duckdb.connect(str(path), read_only=True))

        yield change


@pytest.fixture(scope="session")
def html(marts: duckdb.DuckDBPyConnection) -> str:
    return dashboard.render(marts)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if not found:
        # The reason to skip: a browser is the system's, no Python package brings it, and only what
        # draws the dashboard needs one. Who has none can still run all other tests, and pytest's
        # summary names what was left out and what to install. CI leaves out none:
        # .ci/run installs a browser, or fails.
        pytest.skip(f"needs a browser: install one of {', '.join(BROWSERS)}")
    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=found, args=ARGUMENTS)


@pytest.fixture(scope="session")
def open_page(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Open:
    """Open a page's HTML from a file, without network."""
    file = tmp_path_factory.mktemp("page") / "dashboard.html"

    @contextmanager
    def look(html: str, **settings: Any) -> Iterator[Seen]:
        file.write_text(html)
        with browser.new_context(offline=True, **settings) as context:
            seen = Seen(context.new_page())
            seen.page.on("console", lambda message: seen.complaints.append(message.text))
            seen.page.on("pageerror", lambda error: seen.complaints.append(str(error)))
            seen.page.on("request", lambda request: seen.requests.append(request.url))
            seen.page.goto(file.as_uri())
            seen.wait()
            yield seen

    return look


@pytest.fixture
def seen(html: str, open_page: Open) -> Iterator[Seen]:
    with open_page(html) as page:
        yield page
