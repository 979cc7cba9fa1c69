"""Other programs that have the warehouse open: a run waits for them, and keeps them out later."""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dlt
import duckdb
import pytest

from extract import dbt_build, folder, settings
from extract.dbt_build import BuildResult
from extract.folder import Folder
from extract.sandbox.server import ApiServer, ListRequest, Reply
from tests.support.builders import Lists, Load, leads, users
from tests.support.elt import Elt, Query
from tests.support.forked import run_in_child
from tests.support.processes import Holder, another_process, reading
from tests.support.syncs import lead_ids

pytestmark = pytest.mark.usefixtures("without_models")


class Tools:
    """BI tools that open the warehouse, and close it when the product waits for them.

    Args:
        warehouse: the file.
    """

    def __init__(self, warehouse: Path) -> None:
        self.warehouse = warehouse
        self.opened: list[Holder] = []
        self.waited_for: set[Holder] = set()
        self._stack = ExitStack()

    def open(self) -> None:
        """Let one more tool open the warehouse."""
        self.opened.append(self._stack.enter_context(another_process(reading, self.warehouse)))

    def close(self, _: float) -> None:
        """Let the last tool close it; called where the product waits for some seconds."""
        self.opened[-1].close()
        self.waited_for.add(self.opened[-1])

    def end(self) -> None:
        """End all tools."""
        self._stack.close()


@pytest.fixture
def tools(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Tools]:
    """Tools that open this test's warehouse."""
    tools = Tools(data_dir / "warehouse.duckdb")
    clock = SimpleNamespace(monotonic=time.monotonic, sleep=tools.close)
    monkeypatch.setattr(folder, "time", clock)
    yield tools
    tools.end()


@pytest.mark.parametrize("command", ["run", "check"])
def test_a_warehouse_that_another_program_has_open_is_reported_with_the_program(
    api: ApiServer,
    loaded: Load,
    elt: Elt,
    data_dir: Path,
    monkeypatch: pytest.MonkeyPatch,
    command: str,
) -> None:
    loaded(leads(10), users(10))
    monkeypatch.setattr(settings, "LOCK_WAIT", 0)
    with another_process(reading, data_dir / "warehouse.duckdb") as tool:
        outcome = elt(command)
    assert outcome.exit_code == 1
    printed = outcome.stdout + outcome.stderr
    assert "open in another program" in printed
    assert str(tool.pid) in printed
    assert len(outcome.stderr.splitlines()) <= 1
    if command == "run":
        assert api.requests == []


@pytest.mark.usefixtures("full_syncs")
def test_a_run_waits_for_a_program_to_close_the_warehouse(
    lists: Lists,
    api: ApiServer,
    loaded: Load,
    elt: Elt,
    query: Query,
    data_dir: Path,
    monkeypatch: pytest.MonkeyPatch,
    tools: Tools,
) -> None:
    """Before the run, while the API is read, each of the three times, and before dbt starts."""
    loaded(leads(10), users(10))
    lists["leads"] = leads(9)  # makes the full sync read two more times
    become_last_run = Folder.become_last_run

    def open_while_reading(request: ListRequest) -> Reply | None:
        if (request.name, request.page) == ("leads", 1):  # once in each listing
            tools.open()
        return None

    def open_before_dbt(folder: Folder) -> None:
        become_last_run(folder)
        tools.open()

    def build(*_: object) -> BuildResult:
        duckdb.connect(str(data_dir / "warehouse.duckdb")).close()  # dbt waits for nobody
        return BuildResult()

    api.fault = open_while_reading
    monkeypatch.setattr(Folder, "become_last_run", open_before_dbt)
    monkeypatch.setattr(dbt_build, "build", build)
    tools.open()
    outcome = elt("run")
    assert outcome.exit_code == 0, outcome.stderr
    assert len(tools.opened) == 5
    assert tools.waited_for == set(tools.opened)
    assert lead_ids(query) == list(range(1, 10))


def try_to_open(warehouse: str) -> int:
    """Open a DuckDB file once, as a program does that does not wait."""
    duckdb.connect(warehouse).close()
    return 0


def test_no_program_opens_the_warehouse_while_it_is_loaded(
    loaded: Load, elt: Elt, data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded(leads(10), users(10))
    refused: list[str] = []
    load = dlt.Pipeline.load

    def open_and_load(pipeline: dlt.Pipeline, *args: Any, **kwargs: Any) -> Any:
        warehouse = str(data_dir / "warehouse.duckdb")
        refused.append(run_in_child(try_to_open, warehouse, output=tmp_path / "tool").stderr)
        return load(pipeline, *args, **kwargs)

    monkeypatch.setattr(dlt.Pipeline, "load", open_and_load)
    assert elt("run").exit_code == 0
    assert all("Could not set lock" in printed for printed in refused)
    assert refused


def test_a_table_that_somebody_dropped_is_reported_with_what_to_do(
    loaded: Load, elt: Elt, data_dir: Path
) -> None:
    loaded(leads(10), users(10))
    with duckdb.connect(str(data_dir / "warehouse.duckdb")) as warehouse:
        warehouse.execute("drop table raw.elt_runs")
    outcome = elt("run")
    assert outcome.exit_code == 1
    assert "elt_runs" in outcome.stderr
    assert "backup" in outcome.stderr
    assert len(outcome.stderr.splitlines()) == 1
