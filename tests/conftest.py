"""Fixtures of all layers. Every test has its own API on loopback, data folder and settings."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from extract import dbt_build, folder
from extract.__main__ import main
from extract.dbt_build import BuildResult
from extract.pacing import Clock
from extract.project import use_project
from extract.sandbox import ApiServer
from publish import dashboard, publication
from tests.support import templates
from tests.support.builders import Lists, Load, Row
from tests.support.compiled import Compiled
from tests.support.dbt import (
    PARSED,
    Dbt,
    dbt_in_children,
    link_project,
    parse_project,
    run_dbt,
)
from tests.support.elt import API_KEY, SETTINGS, Elt, Outcome, Query
from tests.support.forked import Ended
from tests.support.syncs import DAYS, EVERY_RUN
from tests.support.waiting import SkippedWaits

pytest_plugins = ["tests.support.published", "tests.support.browser", "tests.support.databases"]


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """`[elt] data_dir` of this test."""
    return tmp_path / "data"


@pytest.fixture(autouse=True)
def own_settings(data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings of this test, whatever a developer has configured."""
    use_project()
    for name in list(os.environ):
        if name.startswith(("CONTACTS_", "DESTINATION__", "ELT__", "SOURCES__")):
            monkeypatch.delenv(name)
    for name, value in SETTINGS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("ELT__DATA_DIR", str(data_dir))
    monkeypatch.setenv("SOURCES__ANALYTICS_API__API_KEY", API_KEY)
    # requests in the order of the pages; tests of prefetching set more
    monkeypatch.setenv("SOURCES__ANALYTICS_API__MAX_IN_FLIGHT", "1")
    monkeypatch.setattr(folder, "LAST_RUN", tmp_path / "last_run")


@pytest.fixture(autouse=True)
def without_dashboard(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw no dashboard at the end of each run, which takes seconds; tests of it ask for it."""
    monkeypatch.setattr(dashboard, "is_installed", lambda: False)


@pytest.fixture(autouse=True)
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that requests would have waited for a retry, or for the pace after a 429."""
    skipped = SkippedWaits()
    monkeypatch.setattr(Clock, "now", lambda clock: skipped.now(clock))
    monkeypatch.setattr(Clock, "wait", lambda *arguments: skipped.wait(*arguments))
    return skipped.seconds


@pytest.fixture
def lists() -> Lists:
    """What the API lists; a test changes it as it likes."""
    return {"leads": [], "users": []}


@pytest.fixture
def api(lists: Lists, monkeypatch: pytest.MonkeyPatch) -> Iterator[ApiServer]:
    """The API of this test, which is the configured one."""
    with ApiServer(lambda: lists, API_KEY) as server:
        monkeypatch.setenv("SOURCES__ANALYTICS_API__BASE_URL", server.url)
        yield server


@pytest.fixture
def elt(capsys: pytest.CaptureFixture[str]) -> Elt:
    """Run a command of `elt` in this process."""

    def run(*arguments: str) -> Outcome:
        exit_code = main(arguments)
        printed = capsys.readouterr()
        return Outcome(exit_code, printed.out, printed.err)

    return run


@pytest.fixture
def without_models(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the stages after loading."""
    monkeypatch.setattr(dbt_build, "build", lambda *_: BuildResult())
    monkeypatch.setattr(publication, "publish", lambda *_: None)


@pytest.fixture
def with_dbt(tmp_path: Path, parsed_project: Path) -> Iterator[None]:
    """Run dbt in forked children, with the parsed project that all tests share."""
    with dbt_in_children(tmp_path, parsed_project):
        yield


@pytest.fixture
def query(data_dir: Path) -> Query:
    """Query the warehouse of this test."""

    def ask(sql: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(str(data_dir / "warehouse.duckdb"), read_only=True) as warehouse:
            return warehouse.sql(sql).fetchall()

    return ask


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """A folder that all test workers of this session share."""
    own = tmp_path_factory.getbasetemp()
    return (own if worker_id == "master" else own.parent) / "shared"


@pytest.fixture(scope="session")
def parsed_project(shared_folder: Path, pytestconfig: pytest.Config) -> Path:
    """The file of the parsed dbt project; dbt itself notices what changed since."""
    cache = getattr(pytestconfig, "cache", None)  # kept for the next session
    kept = cache.mkdir("dbt") if cache else shared_folder / "dbt_project"

    def make(folder: Path) -> None:
        folder.mkdir()
        with templates.locked(kept):
            shutil.copy(parse_project(kept), folder / "parsed")

    return templates.made_once(shared_folder / "dbt", make) / "parsed"


@pytest.fixture
def shared_parse(parsed_project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let dbt in processes of their own use the parsed project that all tests share."""
    monkeypatch.setenv(PARSED, str(parsed_project))


@pytest.fixture(scope="session")
def sandbox_folder(shared_folder: Path, parsed_project: Path) -> Path:
    """The data folder of a complete run on the sandbox API, with its dashboard; never changed."""
    made = templates.made_once(
        shared_folder / "sandbox_run",
        lambda folder: templates.sandbox_run(folder, parsed_project),
    )
    return made / "sandbox"


@pytest.fixture
def sandbox_copy(sandbox_folder: Path, data_dir: Path) -> Path:
    """A copy of the sandbox's data folder, as this test's `data_dir`."""
    templates.copy_data(sandbox_folder, data_dir)
    return data_dir


@pytest.fixture(scope="session")
def compiled(sandbox_folder: Path) -> Compiled:
    """The SQL of all models and data tests."""
    return Compiled(sandbox_folder / "dbt")


@pytest.fixture
def loaded(
    lists: Lists, api: ApiServer, elt: Elt, without_models: None, data_dir: Path,
    shared_folder: Path, monkeypatch: pytest.MonkeyPatch,
) -> Load:  # fmt: skip
    """Let the API list leads and users, and make the warehouse that a first run leaves of them."""

    def load(leads: list[Row], users: list[Row]) -> None:
        lists["leads"], lists["users"] = leads, users

        def run() -> None:
            # another API, so that this test's has had no requests, as where the warehouse is copied
            with ApiServer(lambda: lists, API_KEY) as first, monkeypatch.context() as patched:
                patched.setenv("SOURCES__ANALYTICS_API__BASE_URL", first.url)
                assert elt("run").exit_code == 0

        templates.load_once(shared_folder / "loaded", lists, api.url, data_dir, run)

    return load


@pytest.fixture
def full_syncs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make every run a full sync, as the last one is always too old."""
    monkeypatch.setenv(DAYS, EVERY_RUN)


@pytest.fixture
def project(tmp_path: Path, data_dir: Path) -> Path:
    """A dbt project of links to this one, whose last run is this test's warehouse."""
    return link_project(tmp_path / "transform", data_dir)


@pytest.fixture
def dbt(project: Path, tmp_path: Path, parsed_project: Path) -> Dbt:
    """Run a command of dbt manually, in `project`."""

    def run(*arguments: str, **environment: str) -> Ended:
        environment.setdefault(PARSED, str(parsed_project))
        return run_dbt(project, *arguments, output=tmp_path / "dbt_output", **environment)

    return run
