"""Every test gets its own API on loopback, its own data folder and no waiting between retries."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import duckdb
import pytest
import tenacity.nap

from extract import dbt_build, folder, settings
from extract.__main__ import main
from extract.ahead import ReadAhead
from extract.dbt_build import BuildResult
from extract.sandbox import ApiServer
from publish import dashboard, publication
from tests.builders import Lists

API_KEY = "recognisable-key-4711"
# a run in a process of its own, after which dbt by hand still finds the warehouse that it found
RUN = """
import sys
from pathlib import Path
from extract import folder
from extract.__main__ import main
folder.LAST_RUN = Path(sys.argv[1])
sys.exit(main(["run"]))
"""


@dataclass
class Outcome:
    """How a command ended, and what it said."""

    exit_code: int
    stdout: str
    stderr: str


Elt = Callable[..., Outcome]
Query = Callable[[str], list[tuple[Any, ...]]]


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture(autouse=True)
def own_settings(data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ELT__DATA_DIR", str(data_dir))
    monkeypatch.setenv("SOURCES__ANALYTICS_API__API_KEY", API_KEY)
    # one request after the other, so that tests can tell their order; tests of it read ahead
    monkeypatch.setenv("SOURCES__ANALYTICS_API__MAX_IN_FLIGHT", "1")
    monkeypatch.setattr(folder, "LAST_RUN", tmp_path / "last_run")


@pytest.fixture(autouse=True)
def without_dashboard(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw no dashboard at the end of each run, which takes seconds; tests of it ask for it."""
    monkeypatch.setattr(dashboard, "is_installed", lambda: False)


@pytest.fixture(autouse=True)
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that retries would have waited."""
    seconds: list[float] = []
    monkeypatch.setattr(tenacity.nap, "time", SimpleNamespace(sleep=seconds.append))
    monkeypatch.setattr(ReadAhead, "wait", lambda _, wait: seconds.append(wait))
    return seconds


@pytest.fixture
def lists() -> Lists:
    """What the API lists; a test changes it as it likes."""
    return {"leads": [], "users": []}


@pytest.fixture
def api(lists: Lists, monkeypatch: pytest.MonkeyPatch) -> Iterator[ApiServer]:
    with ApiServer(lambda: lists, API_KEY) as server:
        monkeypatch.setenv("SOURCES__ANALYTICS_API__BASE_URL", server.url)
        yield server


@pytest.fixture
def elt(capsys: pytest.CaptureFixture[str]) -> Elt:
    """Run a command of `elt` in this process."""

    def run(*arguments: str) -> Outcome:
        exit_code = main(arguments)
        said = capsys.readouterr()
        return Outcome(exit_code, said.out, said.err)

    return run


@pytest.fixture
def without_models(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the stages after loading, for tests of what comes before them."""
    monkeypatch.setattr(dbt_build, "build", lambda *_: BuildResult())
    monkeypatch.setattr(publication, "publish", lambda *_: None)


@pytest.fixture
def query(data_dir: Path) -> Query:
    """Ask the warehouse of this test."""

    def ask(sql: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(str(data_dir / "warehouse.duckdb"), read_only=True) as warehouse:
            return warehouse.sql(sql).fetchall()

    return ask


@pytest.fixture(scope="session")
def sandbox_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a warehouse that `elt run` loaded from the sandbox and built."""
    data_dir = tmp_path_factory.mktemp("sandbox")
    environment = {**os.environ, "ELT__DATA_DIR": str(data_dir)}
    command = [sys.executable, "-c", RUN, str(data_dir / "last_run")]
    run = subprocess.run(
        command, env=environment, cwd=settings.ROOT, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    return data_dir / "sandbox"
