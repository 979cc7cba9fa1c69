"""How much of the lists one run reads, and what that proves.

An ordinary read gets what changed. A *full read* gets a list whole, and so it alone notices what
is listed no more. It is made of a list that was never read, whose last full read is old or was not
finished, and where asked for. A row can move while pages are read and hide from one read, so only
what two reads missed is gone; and the newest users are read once more after them, because a lead
that signed up meanwhile is there. A full read of users makes one of leads due: where a user is
gone, the row of the lead that it was must not stand for an open lead.
"""

from collections import defaultdict
from collections.abc import Callable, Set
from functools import partial
from itertools import chain
from typing import Any, NamedTuple, Self

import dlt
import pyarrow as pa

from extract import settings, state, warehouse
from extract.ahead import ReadAhead
from extract.engines import Engine
from extract.errors import SettingsError
from extract.memory import spaciously
from extract.rows import ListCounts
from extract.source import analytics_api, empty_table
from extract.warehouse import Missing


class Reading:
    """What one run reads: normalised load packages, not yet loaded.

    After `read`: `pipeline` has the packages of `load_ids`, whose Parquet files are `files` by
    table, and `missing` tells of each list that was read whole what it did not list.

    Args:
        engine: the warehouse's.
        open_pipeline: returns the pipeline with its state as the warehouse has it.
        connection: the source's arguments.
        counts: what was read of each list, by name; counted up.
    """

    def __init__(
        self,
        engine: Engine,
        open_pipeline: Callable[[], dlt.Pipeline],
        connection: dict[str, Any],
        counts: dict[str, ListCounts],
    ) -> None:
        self._engine = engine
        self._open_pipeline = open_pipeline
        self._connection = connection
        self.counts = counts

    def read(self, names: Set[str], whole: Set[str], full_read_days: float) -> None:
        """Read lists.

        Args:
            names: the lists to read.
            whole: those of them to read whole, even where no full read is due.
            full_read_days: the setting.
        """
        self.pipeline = self._open_pipeline()
        self.load_ids: list[str] = []
        self.files: dict[str, list[str]] = defaultdict(list)  # Parquet files by table
        with self._engine.opened(self.pipeline) as opened:
            self.rows_held = {name: opened.rows_held(name) for name in settings.ENDPOINTS}
        whole = whole | state.full_reads_due(self.pipeline, names, full_read_days)
        due = whole | {"leads"} if "users" in whole else whole
        state.begin_full_reads(self.pipeline, due, self.rows_held)
        whole = due & names
        self._extract(names)
        if self._are_strange(names - whole):
            self.read(names, names, full_read_days)
            return
        self.missing = self._find_missing(whole)
        if again := {name for name, missing in self.missing.items() if missing.rows}:
            state.begin_full_reads(self.pipeline, again, self.rows_held)
            self._extract(again)
            self._extract({*names, "users"})
            self.missing |= self._find_missing(again)

    def _extract(self, names: Set[str]) -> None:
        """Read lists into a load package of their own."""
        with ReadAhead() as ahead:
            source = analytics_api(**self._connection, ahead=ahead, counts=self.counts)
            for name in settings.ENDPOINTS.keys() - names:
                source.resources[name] = empty_table(name)
            (load_id,) = self.pipeline.extract(source).loads_ids
        self.pipeline.normalize()
        pa.default_memory_pool().release_unused()
        self.load_ids.append(load_id)
        files = defaultdict(list)
        for job in self.pipeline.get_load_package_info(load_id).jobs["new_jobs"]:
            files[job.job_file_info.table_name].append(job.file_path)
        with self._engine.opened(self.pipeline, settings.LIMITS) as opened:
            for name in files.keys() & settings.ENDPOINTS.keys():
                keep = partial(warehouse.keep_newest, opened.connection, name, files[name])
                spaciously(opened.connection, keep)
            if not self._engine.takes_nul:
                all_files = list(chain.from_iterable(files.values()))
                replace = partial(warehouse.replace_nul, opened.connection, all_files)
                spaciously(opened.connection, replace)
        for table, paths in files.items():
            self.files[table] += paths

    def _are_strange(self, names: Set[str]) -> bool:
        """Tell whether the warehouse holds rows of a list, but none of those just read.

        A list that fell empty looks so, and another project's. Only a full read can tell.
        """
        with self._engine.opened(self.pipeline, settings.LIMITS) as opened:
            return any(
                self.rows_held[name]
                and not opened.holds_any(name, self.files, self.counts[name].last_keys)
                for name in names
            )

    def _find_missing(self, names: Set[str]) -> dict[str, Missing]:
        with self._engine.opened(self.pipeline, settings.LIMITS) as opened:
            return {name: opened.missing(name, self.files) for name in names}


def shrinkage(reading: Reading, max_shrink: float) -> str:
    """Return what is wrong if full reads would remove too much, with both counts; else nothing.

    Args:
        reading: what was read.
        max_shrink: the share of a table's rows that may go in one run, 0 to 1.
    """
    shrunk = []
    for name, missing in reading.missing.items():
        before = state.rows_before(reading.pipeline, name)
        if missing.lost > max_shrink * before:
            shrunk.append(
                f"raw.{name} held {before} rows, and {missing.lost} rows in it are listed no more"
            )
    if not shrunk:
        return ""
    return (
        f"{'; '.join(shrunk)}. More than [elt] max_shrink = {max_shrink:g} of a list at once looks "
        "like a failing API, or like the key of another project: nothing was removed. What is "
        "listed was merged into raw; the models were not built. If the contacts are really gone, "
        "run once with --allow-shrink."
    )


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
