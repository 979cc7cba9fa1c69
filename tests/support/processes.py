"""Other processes at work: programs that have a file open or hold a lock while a test runs."""

import multiprocessing
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import duckdb

from tests.support import forked

assert forked  # it sets what the fork server, which all test processes share, imports
_CONTEXT = multiprocessing.get_context("forkserver")

Hold = Callable[..., AbstractContextManager[object]]


class Holder:
    """A process that keeps something open until it is closed or killed.

    Args:
        hold: returns the context manager that the process enters; a function of a module.
        arguments: of the function; they are pickled.
    """

    def __init__(self, hold: Hold, *arguments: Any) -> None:
        self._connection, child_end = _CONTEXT.Pipe()
        self._process = _CONTEXT.Process(target=_keep_open, args=(child_end, hold, arguments))
        self._process.start()
        child_end.close()
        assert self._process.pid
        self.pid = self._process.pid
        assert self._connection.recv() == "open"

    def close(self) -> None:
        """Let the process leave the context, and wait until it has ended."""
        self._connection.close()
        self._process.join()

    def kill(self) -> None:
        """Kill the process, and wait until it has ended."""
        self._process.kill()
        self._process.join()


def _keep_open(connection: Connection, hold: Hold, arguments: tuple[Any, ...]) -> None:
    with hold(*arguments):
        connection.send("open")
        connection.poll(None)  # until the other end is closed


@contextmanager
def another_process(hold: Hold, *arguments: Any) -> Iterator[Holder]:
    """Keep something open in another process until the block ends.

    Args:
        hold: returns the context manager that the process enters; a function of a module.
        arguments: of the function; they are pickled.
    """
    holder = Holder(hold, *arguments)
    try:
        yield holder
    finally:
        holder.kill()


def reading(file: Path) -> AbstractContextManager[object]:
    """Open a DuckDB file as BI tools do."""
    return duckdb.connect(str(file), read_only=True)
