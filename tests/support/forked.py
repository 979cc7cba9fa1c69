"""Runs a function in a child of a process that has already imported dlt and dbt.

Importing both takes about six seconds of CPU. A fork server does it once for each test worker.
Every child is a fork of it, has no state of an earlier child, and its end closes what it opened.
"""

import multiprocessing
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

TIMEOUT = 300  # seconds; a run with all models takes about ten
_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(
    ["tests.support.dbt", "tests.support.warm_dbt", "extract.commands", "dbt.cli.main"]
)


class Ended(NamedTuple):
    """How a child ended: its exit code (minus the signal's number if it was killed) and output."""

    exit_code: int
    stdout: str
    stderr: str


def run_in_child(
    function: Callable[..., int],
    *arguments: Any,
    output: Path,
    environment: Mapping[str, str] | None = None,
) -> Ended:
    """Call a function in a forked child and wait until it ends.

    Args:
        function: a function of a module; its result is the exit code.
        arguments: of the function; they are pickled.
        output: a folder of the test, for what the child prints.
        environment: the child's whole environment; by default that of this process.

    Raises:
        TimeoutError: the child did not end within `TIMEOUT`.
    """
    output.mkdir(parents=True, exist_ok=True)
    files = output / f"{function.__name__}.stdout", output / f"{function.__name__}.stderr"
    process = _CONTEXT.Process(
        target=_child,
        args=(function, arguments, dict(environment or os.environ), os.getcwd(), files),
    )
    process.start()
    process.join(TIMEOUT)
    if process.is_alive():
        process.kill()
        raise TimeoutError(f"{function.__name__} took more than {TIMEOUT} s")
    exit_code = process.exitcode
    process.close()
    assert exit_code is not None
    return Ended(exit_code, *(file.read_text(errors="replace") for file in files))


def _child(
    function: Callable[..., int],
    arguments: tuple[Any, ...],
    environment: dict[str, str],
    folder: str,
    files: tuple[Path, Path],
) -> None:
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    for number, file in enumerate(files, start=1):
        os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w")
    sys.exit(function(*arguments))
