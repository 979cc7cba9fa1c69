"""What a run tells: progress while it works, and its summary for people or for schedulers."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any, Self

from extract.batches import ListCounts
from extract.dbt_build import BuildResult
from publish.publication import Published


@dataclass
class TableReport:
    """What a run did to one raw table, in rows, and what it asked of the API."""

    rows_read: int
    rows_new: int
    rows_changed: int
    rows_rejected: int
    rows_removed: int
    requests: int
    undecodable_rows: int = 0


@dataclass
class RunReport:
    """What one run did. `warehouse` is a path or an address, durations are seconds by stage.

    `published` is what readers see after it: something new, unless the build failed. `warnings` are
    about what the API sent; `problems` also make the run exit with 1.
    """

    warehouse: str
    mode: str = "incremental"
    load_id: str | None = None
    tables: dict[str, TableReport] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    build: BuildResult = field(default_factory=BuildResult)
    published: Published | None = None
    durations: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Measure a stage."""
        begun = time.monotonic()
        try:
            yield
        finally:
            self.durations[stage] = round(time.monotonic() - begun, 1)

    def as_dict(self) -> dict[str, Any]:
        """Return the report as JSON types, and times."""
        return asdict(self)

    def lines(self) -> Iterator[str]:
        """Yield the summary that a person reads."""
        if self.tables:
            yield f"{'table':<12}{'read':>9}{'new':>9}{'changed':>9}{'rejected':>9}{'requests':>9}"
        for name, table in self.tables.items():
            yield (
                f"raw.{name:<8}{table.rows_read:>9}{table.rows_new:>9}{table.rows_changed:>9}"
                f"{table.rows_rejected:>9}{table.requests:>9}"
            )
        for name, table in self.tables.items():
            if table.rows_rejected:
                yield f"{table.rows_rejected} rows of {name} set aside: see raw.rejected_rows"
            if table.undecodable_rows:
                yield (
                    f"warning: {table.undecodable_rows} rows of {name} contain bytes that are not "
                    "UTF-8: each byte was loaded as the character U+FFFD"
                )
            if table.rows_removed:
                yield f"{table.rows_removed} rows of {name} removed: the API lists them no more"
        yield from (f"warning: {warning}" for warning in self.warnings)
        build = self.build
        yield (
            f"tests: {build.tests_passed} passed, {build.tests_warned} warned, "
            f"{build.tests_failed} failed"
        )
        for name, message in build.warnings.items():
            yield f"  warning: {name}: {message}"
        for name, message in build.failures.items():
            yield f"  failed: {name}: {message}"
        if build.skipped:
            yield f"  {build.skipped} models and tests that depend on a failure were skipped"
        yield "durations: " + ", ".join(f"{stage} {s} s" for stage, s in self.durations.items())
        if self.published and not build.failures:
            yield f"published: {self.published.path}, version {self.published.version}"


class Progress:
    """One line on a terminal that says what a run is doing; silent elsewhere."""

    def __init__(self) -> None:
        self._shown = sys.stderr.isatty()
        self._counts: dict[str, ListCounts] = {}

    def watch(self, counts: dict[str, ListCounts]) -> None:
        """Show the counts of the lists from now on."""
        self._counts = counts
        for count in counts.values():
            count.on_page = self._show_counts

    def stage(self, text: str) -> None:
        """Show what happens now."""
        if self._shown:
            sys.stderr.write(f"\r\x1b[K{text}")
            sys.stderr.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.stage("")  # leaves the line to what is printed next

    def _show_counts(self) -> None:
        self.stage(
            "reading: "
            + ", ".join(
                f"{name} {count.rows_read} rows on {count.pages} pages"
                for name, count in self._counts.items()
            )
        )
