"""One run at a time: a second one is refused, and the dbt of a killed one is waited for."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from types import SimpleNamespace

import pytest

from extract import folder
from extract.dbt_build import LockedVenv
from extract.folder import Folder
from extract.sandbox.server import ApiServer
from tests.support.elt import Elt
from tests.support.processes import another_process


@contextmanager
def a_run(data_dir: Path) -> Iterator[None]:
    """Hold the lock of a data folder, as a run does."""
    with Folder(data_dir).locked():
        yield


@contextmanager
def a_run_with_dbt(data_dir: Path, end: Connection) -> Iterator[None]:
    """Hold the lock, and start a process as a run starts dbt; it ends with the connection."""
    folder = Folder(data_dir)
    with folder.locked():
        venv = LockedVenv.restore(sys.prefix, current=True)
        assert isinstance(venv, LockedVenv)
        venv.lock = folder.lock
        venv.start_command("python", "-c", "import sys; sys.stdin.read()", stdin=end)
        yield


@pytest.mark.parametrize("command", [("run",), ("publish",), ("forget", "1")])
def test_a_second_run_at_once_is_refused_and_names_the_first(
    api: ApiServer, elt: Elt, data_dir: Path, command: tuple[str, ...]
) -> None:
    Folder(data_dir).create()
    with another_process(a_run, data_dir) as holder:
        outcome = elt(*command)
    assert outcome.exit_code == 3
    assert outcome.stderr.startswith("elt: Another run")
    assert f"process {holder.pid}" in outcome.stderr
    assert len(outcome.stderr.splitlines()) == 1
    assert api.requests == []
    assert elt("check").exit_code == 0, "the lock is free again"


def wait_by(monkeypatch: pytest.MonkeyPatch, wait: Callable[[float], None]) -> None:
    """Let a function of a test take the place of the product's waiting for other processes."""
    clock = SimpleNamespace(monotonic=time.monotonic, sleep=wait)
    monkeypatch.setattr(folder, "time", clock)


def test_a_run_waits_for_the_dbt_of_a_killed_run(
    api: ApiServer, elt: Elt, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Folder(data_dir).create()
    waited: list[float] = []
    end_of_dbt, of_dbt = Pipe(duplex=False)[::-1]
    with another_process(a_run_with_dbt, data_dir, of_dbt) as killed:
        of_dbt.close()
        killed.kill()

        def end_dbt(seconds: float) -> None:
            waited.append(seconds)
            end_of_dbt.close()

        wait_by(monkeypatch, end_dbt)
        assert elt("check").exit_code == 0
    assert waited


def test_a_dbt_of_a_killed_run_that_does_not_end_is_named(
    api: ApiServer, elt: Elt, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Folder(data_dir).create()
    monkeypatch.setattr("extract.settings.LOCK_WAIT", 0)
    wait_by(monkeypatch, lambda _: None)
    end_of_dbt, of_dbt = Pipe(duplex=False)[::-1]
    with another_process(a_run_with_dbt, data_dir, of_dbt) as killed:
        of_dbt.close()
        killed.kill()
        outcome = elt("run")
    end_of_dbt.close()
    assert outcome.exit_code == 3
    assert f"The dbt of a killed run (process {killed.pid}) is still working" in outcome.stderr
