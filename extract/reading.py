"""How much of the lists one run reads, and what that proves.

An ordinary read gets what changed. A *full read* gets a list whole, and so it alone notices what
is listed no more. It is made of a list that was never read, whose last full read is old or was not
finished, and where asked for. A row can move while pages are read and hide from one read, so only
what two reads missed is gone; and the newest users are read once more after them, because a lead
that signed up meanwhile is there.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Set
from pathlib import Path
from typing import Any, NamedTuple, Self

import dlt

from extract import settings, state, warehouse
from extract.errors import SettingsError
from extract.rows import ListCounts
from extract.source import analytics_api, empty_table
from extract.warehouse import Unlisted


class Reading:
    """What one run reads: normalised load packages, not yet loaded.

    Args:
        open_pipeline: returns the pipeline with its state as the warehouse has it.
        warehouse: the DuckDB file.
        connection: the source's arguments.
        counts: what was read of each list, by name; counted up.
    """

    def __init__(
        self,
        open_pipeline: Callable[[], dlt.Pipeline],
        warehouse: Path,
        connection: dict[str, Any],
        counts: dict[str, ListCounts],
    ) -> None:
        self._open_pipeline = open_pipeline
        self._warehouse = warehouse
        self._connection = connection
        self.counts = counts
        self.unlisted: dict[str, Unlisted] = {}  # by list that was read whole

    def read(self, names: Collection[str], whole: Set[str], full_read_days: float) -> None:
        """Read lists.

        Args:
            names: the lists to read.
            whole: those of them to read whole, even where no full read is due.
            full_read_days: the setting.
        """
        self.pipeline = self._open_pipeline()
        self.load_ids: list[str] = []
        self.files: dict[str, list[str]] = defaultdict(list)  # Parquet files by table
        whole = whole | state.full_reads_due(self.pipeline, names, full_read_days)
        state.begin_full_reads(self.pipeline, whole)
        self._extract(names)
        if strangers := {name for name in names if name not in whole and self._is_strange(name)}:
            self.read(names, whole | strangers, full_read_days)
            return
        if missed := {name for name in whole if self._unlisted(name).unlisted}:
            state.begin_full_reads(self.pipeline, missed)
            self._extract(missed)
            self._extract({*names, "users"} if state.has_cursor(self.pipeline, "users") else names)
        self.unlisted = {name: self._unlisted(name) for name in whole}

    def _extract(self, names: Collection[str]) -> None:
        """Read lists into a load package of their own."""
        source = analytics_api(**self._connection, counts=self.counts)
        for name in set(settings.ENDPOINTS) - set(names):
            source.resources[name] = empty_table(name)
        self.pipeline.extract(source)
        self.pipeline.normalize()
        load_id = self.pipeline.list_normalized_load_packages()[-1]
        self.load_ids.append(load_id)
        for job in self.pipeline.get_load_package_info(load_id).jobs["new_jobs"]:
            self.files[job.job_file_info.table_name].append(job.file_path)

    def _is_strange(self, name: str) -> bool:
        """Tell whether the warehouse holds rows of a list, but none of those just read.

        A list that fell empty looks so, and another project's. Only a full read can tell.
        """
        last_keys = self.counts[name].last_keys
        return not warehouse.holds_any(self._warehouse, name, self.files, last_keys)

    def _unlisted(self, name: str) -> Unlisted:
        return warehouse.unlisted(self._warehouse, name, self.files)


class Limits(NamedTuple):
    """Settings of full reads: after how many days (0: never), and what they may remove unasked."""

    full_read_days: float
    max_shrink: float

    @classmethod
    def configured(cls) -> Self:
        """Return the user's.

        Raises:
            SettingsError: one of them cannot work.
        """
        days = dlt.config.get("elt.full_read_days", float)
        share = dlt.config.get("elt.max_shrink", float)
        limits = cls(
            settings.FULL_READ_DAYS if days is None else days,
            settings.MAX_SHRINK if share is None else share,
        )
        if not limits.full_read_days >= 0 or not 0 <= limits.max_shrink <= 1:
            raise SettingsError(
                "[elt] full_read_days must be 0 or more, max_shrink a share from 0 to 1."
            )
        return limits


def shrinkage(unlisted: dict[str, Unlisted], max_shrink: float) -> str:
    """Return what is wrong if full reads would remove too much, with both counts; else nothing.

    Args:
        unlisted: by list.
        max_shrink: the share of a table's rows that may go in one run, 0 to 1.
    """
    shrunk = [
        f"raw.{name} holds {rows.held} rows, and {rows.lost} of them are listed no more"
        for name, rows in unlisted.items()
        if rows.lost > max_shrink * rows.held
    ]
    if not shrunk:
        return ""
    return (
        f"{'; '.join(shrunk)}. More than [elt] max_shrink = {max_shrink:g} of a list at once looks "
        "like a failing API, or like the key of another project: nothing was removed. What is "
        "listed was merged into raw; the models were not built. If the contacts are really gone, "
        "run once with --allow-shrink."
    )
