"""What all scenarios share: the loaders, the lists, measured runs that are checked."""

import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import NamedTuple

import duckdb

from benchmarks.api import Api, Stats, running_api
from benchmarks.contacts import LISTS, write_lists
from benchmarks.measure import CommandError, Usage, measure
from benchmarks.outcome import mebibytes


@dataclass(frozen=True)
class Loader:
    """One way to load the lists.

    Args:
        title: as the report names it.
        module: of this package, which is run with the words of `arguments`; `{}` in them stands
            for the folder of the loader's files.
        warehouse: its DuckDB file in that folder, and `schema` the schema of its tables.
        environment: settings.
    """

    title: str
    module: str
    arguments: str
    warehouse: str
    schema: str
    environment: dict[str, str] = field(default_factory=dict, hash=False)

    def command(self, folder: Path) -> list[str]:
        """Return the command to run."""
        words = [word.format(folder) for word in self.arguments.split()]
        return [sys.executable, "-m", f"benchmarks.{self.module}", *words]

    def rows(self, folder: Path) -> dict[str, int]:
        """Return how many rows were loaded."""
        with duckdb.connect(str(folder / self.warehouse), read_only=True) as connection:
            counts = connection.execute(
                " union all by name ".join(
                    f"select '{name}' as name, count(*) as rows from {self.schema}.{name}"
                    for name in LISTS
                )
            ).fetchall()
        return dict(counts)


def floor(in_flight: int) -> Loader:
    """Return the loader written by hand."""
    arguments = f"{{}}/floor.duckdb --in-flight {in_flight}"
    return Loader(f"by hand, {in_flight} in flight", "floor", arguments, "floor.duckdb", "main")


def product(in_flight: int | None = None, command: str = "load") -> Loader:
    """Return contacts-elt, with so many requests in flight or as many as it takes by default."""
    title = f"{in_flight} in flight" if in_flight else "default"
    return Loader(
        f"contacts-elt, {title}",
        "product",
        f"{command} {{}}/last_run",
        "data/warehouse.duckdb",
        "raw",
        {"SOURCES__ANALYTICS_API__MAX_IN_FLIGHT": str(in_flight)} if in_flight else {},
    )


def plain(title: str, options: str) -> Loader:
    """Return plain dlt with some options of its module."""
    return Loader(
        f"plain dlt, {title}",
        "plain_dlt",
        f"{{0}}/warehouse.duckdb {{0}}/state {options}",
        "warehouse.duckdb",
        "plain",
        {"RUNTIME__DLTHUB_TELEMETRY": "false", "DBT_SEND_ANONYMOUS_USAGE_STATS": "false"},
    )


PLAIN = plain("parquet", "--format parquet")
PLAIN_DEFAULT = plain("its default", "")


class Run(NamedTuple):
    """A run that loaded what was listed: what it took, and what it asked for."""

    usage: Usage
    stats: Stats


class Medians(NamedTuple):
    """The middle of several runs, each figure for itself: seconds, seconds, MiB."""

    wall: float
    cpu: float
    peak: float

    @classmethod
    def of(cls, runs: Sequence[Run]) -> "Medians":
        """Return those of some runs."""
        usages = [run.usage for run in runs]
        return cls(
            median(usage.wall for usage in usages),
            median(usage.cpu for usage in usages),
            median(usage.peak for usage in usages),
        )


class Bench:
    """Makes lists and runs loaders.

    Args:
        folder: for everything that is written.
        runs: how often each command is measured where the scenario takes medians.
        memory_rows: rows of each list where memory is measured at its largest.
        say: is told what has been measured.
    """

    def __init__(
        self, folder: Path, runs: int, memory_rows: int, say: Callable[[str], None]
    ) -> None:
        self.runs = runs
        self.memory_rows = memory_rows
        self._folder = folder
        self._say = say

    @contextmanager
    def api(self, leads: int, users: int) -> Iterator[Api]:
        """Serve lists of so many rows."""
        lists = self._folder / f"{leads}-{users}"
        if not lists.exists():
            self._say(f"making {leads:,} leads and {users:,} users")
            write_lists(lists, leads, users)
        with running_api(lists) as api:
            yield api

    @contextmanager
    def place(self) -> Iterator[Path]:
        """Yield a new folder for one loader's files, and remove it afterwards."""
        folder = Path(tempfile.mkdtemp(dir=self._folder))
        try:
            yield folder
        finally:
            shutil.rmtree(folder)

    def run(self, loader: Loader, api: Api, folder: Path) -> Run:
        """Run a loader on the files that it may have left before.

        Raises:
            CommandError: it failed, or what it holds is not what the API lists.
        """
        api.reset()
        environment = {**api.environment, "ELT__DATA_DIR": str(folder / "data")}
        usage = measure(folder, loader.command(folder), environment | loader.environment)
        stats = api.stats()
        if (rows := loader.rows(folder)) != stats.rows:
            raise CommandError(f"{loader.title} holds {rows} rows of {stats.rows}.")
        self._say(
            f"{loader.title}: {sum(rows.values()):,} rows, {usage.wall:.1f} s, "
            f"{usage.cpu:.1f} s CPU, {mebibytes(usage.peak)}, {stats.total:,} requests"
        )
        return Run(usage, stats)

    def full(self, loader: Loader, api: Api) -> Run:
        """Run a loader without any files."""
        with self.place() as folder:
            return self.run(loader, api, folder)
