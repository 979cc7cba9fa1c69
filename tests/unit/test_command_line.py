"""The arguments of the command line, and what it prints of failures: without any run."""

import io
import json
import sys
from collections.abc import Callable
from typing import Any

import pytest

from extract import commands
from extract.__main__ import main
from extract.errors import BusyError, EltError, SettingsError
from tests.support.elt import Elt

COMMANDS = (
    "run", "publish", "rollback", "dashboard", "export", "check", "forget", "sandbox",
)  # fmt: skip


@pytest.mark.parametrize("command", [(), *((name,) for name in COMMANDS)])
def test_every_command_has_a_help(
    elt: Elt, capsys: pytest.CaptureFixture[str], command: tuple[str, ...]
) -> None:
    with pytest.raises(SystemExit) as ended:
        elt(*command, "--help")
    assert ended.value.code == 0
    assert f"usage: {' '.join(('elt', *command))}" in capsys.readouterr().out


def test_the_help_names_every_command_and_exit_code(
    elt: Elt, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        elt("--help")
    printed = capsys.readouterr().out
    for line in (
        "0  fine",
        "1  the pipeline or its tests failed",
        "2  wrong configuration, or the API refused the key",
        "3  another run is active",
        *COMMANDS,
    ):
        assert line in printed


@pytest.mark.parametrize(
    "arguments",
    [("run", "--resources", "accounts"), ("run", "--fast"), ("forget",), ("drop",), ()],
)
def test_unknown_or_missing_arguments_are_a_usage_error(
    elt: Elt, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]
) -> None:
    with pytest.raises(SystemExit) as ended:
        elt(*arguments)
    assert ended.value.code == 2
    assert "usage: elt" in capsys.readouterr().err


def failing(failure: BaseException) -> Callable[..., int]:
    def command(_: Any) -> int:
        raise failure

    return command


@pytest.mark.parametrize(
    ("failure", "exit_code"),
    [(EltError("failed"), 1), (SettingsError("wrong"), 2), (BusyError("busy"), 3)],
)
def test_a_failure_is_one_line_with_its_exit_code(
    elt: Elt, monkeypatch: pytest.MonkeyPatch, failure: EltError, exit_code: int
) -> None:
    monkeypatch.setattr(commands, "run", failing(failure))
    outcome = elt("run")
    assert (outcome.exit_code, outcome.stdout) == (exit_code, "")
    assert outcome.stderr == f"elt: {failure}\n"
    outcome = elt("run", "--json")
    assert json.loads(outcome.stdout) == {
        "status": "failed", "error": str(failure), "exit_code": exit_code,
    }  # fmt: skip
    assert outcome.stderr == f"elt: {failure}\n"


def test_a_traceback_is_printed_with_debug_alone(elt: Elt, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "run", failing(ZeroDivisionError("division by zero")))
    plain, debug = elt("run"), elt("run", "--debug")
    assert "Traceback" not in plain.stderr
    assert "Traceback" in debug.stderr
    assert debug.stderr.endswith(plain.stderr)


def test_a_run_can_be_interrupted(elt: Elt, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "run", failing(KeyboardInterrupt()))
    outcome = elt("run")
    assert outcome.exit_code == 1
    assert outcome.stderr.startswith("elt: Interrupted.")
    assert len(outcome.stderr.splitlines()) == 1


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_a_path_that_the_terminal_cannot_show_is_printed_with_replacements(
    monkeypatch: pytest.MonkeyPatch, encoding: str
) -> None:
    """Whether it lacks a letter (`PYTHONIOENCODING=ascii`), or the path is not UTF-8."""
    streams = [io.TextIOWrapper(io.BytesIO(), encoding, errors="strict") for _ in range(2)]
    monkeypatch.setattr(sys, "stdout", streams[0])
    monkeypatch.setattr(sys, "stderr", streams[1])
    monkeypatch.setattr(commands, "check", lambda _: print("ok: /dätä/\u4e2d/\udce9") or 0)
    monkeypatch.setattr(commands, "run", failing(SettingsError("/dätä/\u4e2d/\udce9")))
    assert main(["check"]) == 0
    assert main(["run", "--json"]) == 2
    shown = []
    for stream in streams:
        stream.flush()
        shown.append(stream.buffer.getvalue().decode(encoding))
    assert "\\udce9" in shown[0].splitlines()[0]
    assert "\\udce9" in shown[1]
    assert json.loads(shown[0].splitlines()[1])["error"] == "/dätä/\u4e2d/\udce9"
