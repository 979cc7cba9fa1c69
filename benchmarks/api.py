"""The server of the benchmark, started and told what to do."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests

from benchmarks.server import API_KEY
from extract import settings


@dataclass(frozen=True)
class Stats:
    """What the server counted since the last reset; `rows` is how many it lists now."""

    requests: dict[str, int]
    statuses: dict[str, int]
    most_in_flight: int
    rows: dict[str, int]

    @property
    def total(self) -> int:
        """All requests."""
        return sum(self.requests.values())


class Api:
    """A running server."""

    def __init__(self, port: int) -> None:
        self._root = f"http://127.0.0.1:{port}"

    @property
    def environment(self) -> dict[str, str]:
        """What points a loader at it, under the names of contacts-elt's settings."""
        return {
            "SOURCES__ANALYTICS_API__BASE_URL": f"{self._root}/v1/",
            "SOURCES__ANALYTICS_API__API_KEY": API_KEY,
        }

    def stats(self) -> Stats:
        """Return what was counted."""
        return self._control("stats")

    def reset(self) -> None:
        """Count from 0 again."""
        self._control("reset")

    def change(self, rows: int) -> None:
        """Change so many rows of each list."""
        self._control(f"change?rows={rows}")

    def behave(self, latency: int = 0, rate: int = 0) -> None:
        """Answer after so many milliseconds, and only so many requests a second (0: all)."""
        self._control(f"set?latency={latency}&rate={rate}")

    def _control(self, command: str) -> Stats:
        return Stats(**requests.get(f"{self._root}/control/{command}", timeout=10).json())


@contextmanager
def running_api(lists: Path) -> Iterator[Api]:
    """Serve a folder's lists while the `with` block runs."""
    command = [sys.executable, "-m", "benchmarks.server", str(lists)]
    with subprocess.Popen(command, cwd=settings.ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            yield Api(int(process.stdout.readline()))
        finally:
            process.terminate()
