"""How much of the lists one run reads, and what that proves.

An incremental sync gets what changed. A *full sync* gets a whole list, and so it alone notices
deleted rows. It is made of a list that was never read, whose last full sync is old or was not
finished, where asked for, and where an incremental sync has no proof that it got all changes. A row
can move while pages are read and hide from one listing, so only what two missed is deleted; and the
newest users are read once more after them, because a lead that signed up concurrently is there. A
full sync of users makes one of leads due: where a user is deleted, the row of the lead that it was
must not stand for an open lead.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Set
from functools import partial
from itertools import chain, starmap
from typing import Any, NamedTuple, Self

import dlt
import pyarrow as pa

from extract import settings, state, warehouse
from extract.ahead import ReadAhead
from extract.batches import ListCounts
from extract.customer import CustomerProject, project_id
from extract.engines import Engine
from extract.errors import SettingsError
from extract.failures import plain_error
from extract.memory import spaciously
from extract.source import analytics_api, empty_table
from extract.sync_plan import Outcome
from extract.warehouse import Missing


class Reading:
    """What one run reads: normalized load packages, not yet loaded.

    After `read`: `pipeline` has the packages of `load_ids`, whose Parquet files are `files` by
    table; `outcomes` has what the sync of each list proved; and `missing`, for each list that a
    full sync listed completely, what it did not list.

    Args:
        engine: the warehouse's.
        open_pipeline: returns the pipeline with its state as the warehouse has it.
        connection: the source's arguments.
        counts: what was read of each list, by name; counted up.
        rebind: accept rows of another customer project than the stored ones.
    """

    def __init__(
        self,
        engine: Engine,
        open_pipeline: Callable[[], dlt.Pipeline],
        connection: dict[str, Any],
        counts: dict[str, ListCounts],
        rebind: bool = False,
    ) -> None:
        self._engine = engine
        self._open_pipeline = open_pipeline
        self._connection = connection
        self.counts = counts
        self._rebind = rebind

    def read(self, names: Set[str], whole: Set[str], full_read_days: float) -> None:
        """Read lists.

        Args:
            names: the lists to read.
            whole: those of them to sync completely, even where no full sync is due.
            full_read_days: the setting.
        """
        self.pipeline = self._open_pipeline()
        self.load_ids: list[str] = []
        self.files: dict[str, list[str]] = defaultdict(list)  # Parquet files by table
        self.outcomes: dict[str, Outcome] = {}
        self._full: Set[str] = set()  # lists that get a full sync
        self._newest_known = state.newest_cursors(self.pipeline)
        with self._engine.opened(self.pipeline) as opened:
            self.rows_held = {name: opened.rows_held(name) for name in settings.ENDPOINTS}
            app_id = project_id(state.app_id(self.pipeline) or opened.app_id())
        self._project = CustomerProject(None if self._rebind else app_id)
        self._begin_full(whole | state.full_reads_due(self.pipeline, names, full_read_days))
        self._extract(names)
        incremental = names - self._full
        is_other = app_id is not None and self._project.app_id not in (None, app_id)
        if incremental and (is_other or self._are_strange(incremental)):
            self.read(names, frozenset(settings.ENDPOINTS), full_read_days)
            return
        if unproven := {name for name in incremental if self._is_unproven(name)}:
            done = self._full
            self._begin_full(unproven)
            self._extract((self._full - done) & names)
        self.missing = self._find_missing(self._full & names)
        if again := {name for name, missing in self.missing.items() if missing.rows}:
            # what changed is loaded, so the second listing needs no more than its first page
            newest = state.newest_cursors(self.pipeline)
            self._newest_known |= {name: newest[name] for name in self._newest_known.keys() & again}
            self._begin_full(again)
            self._extract(again)
            self._read_newest({*names, "users"})
            self.missing |= self._find_missing(again)
            self.missing = {
                name: missing
                for name, missing in self.missing.items()
                if self.outcomes[name].is_complete
            }
        state.remember_project(self.pipeline, self._project.app_id)
        state.remember_order(
            self.pipeline, {name: outcome.is_sorted for name, outcome in self.outcomes.items()}
        )

    @property
    def is_up_to_date(self) -> bool:
        """Whether all rows that changed since the last run were read."""
        return all(outcome.is_up_to_date for outcome in self.outcomes.values())

    @property
    def postponed(self) -> list[str]:
        """The lists of which a full sync could not be completed, although all changes were read."""
        return [
            name
            for name, outcome in self.outcomes.items()
            if name in self._full and outcome.is_up_to_date and name not in self.missing
        ]

    def warnings(self) -> list[str]:
        """Return sentences on what the API sent that it should not, but that lost no row."""
        return list(chain.from_iterable(starmap(_warnings, self.outcomes.items())))

    def problems(self) -> list[str]:
        """Return sentences on full syncs that could not be completed."""
        return list(chain.from_iterable(starmap(_problems, self.outcomes.items())))

    def _begin_full(self, names: Set[str]) -> None:
        """Make the next sync of some lists a full one."""
        due = names | {"leads"} if "users" in names else names
        state.begin_full_reads(self.pipeline, due, self.rows_held)
        self._full = self._full | due

    def _read_newest(self, names: Set[str]) -> None:
        """Read what changed in the meantime; that proves nothing more."""
        proven = dict(self.outcomes)
        self._extract(names)
        if unproven := {name for name in names if not self.outcomes[name].is_up_to_date}:
            state.begin_full_reads(self.pipeline, unproven, self.rows_held)
            self._extract(unproven)
        self.outcomes = proven

    def _extract(self, names: Set[str]) -> None:
        """Read lists into a load package of their own."""
        earlier = dict(self.outcomes)
        with ReadAhead() as ahead:
            source = analytics_api(
                **self._connection,
                ahead=ahead,
                counts=self.counts,
                outcomes=self.outcomes,
                newest_known=self._newest_known,
                project=self._project,
            )
            for name in settings.ENDPOINTS.keys() - names:
                source.resources[name] = empty_table(name)
            (load_id,) = self.pipeline.extract(source).loads_ids
        for name in earlier.keys() & names:
            self.outcomes[name].is_misordered |= earlier[name].is_misordered
            self.outcomes[name].outliers += earlier[name].outliers
            self.outcomes[name].hidden_changes += earlier[name].hidden_changes
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

        A list that fell empty looks so, and another project's. Only a full sync can tell.
        """
        with self._engine.opened(self.pipeline, settings.LIMITS) as opened:
            return any(
                self.rows_held[name]
                and not opened.holds_any(name, self.files, self.counts[name].last_keys)
                for name in names
            )

    def _is_unproven(self, name: str) -> bool:
        """Return whether an incremental sync may have missed changes, or has seen deletions.

        It came to the end of the list, although rows are stored that it did not list.
        """
        outcome = self.outcomes[name]
        if outcome.is_misordered:
            return True
        if outcome.unexplained_repeats or outcome.has_gap:
            return not state.is_full_sync_postponed(self.pipeline)
        if not outcome.has_ended:
            return False
        with self._engine.opened(self.pipeline, settings.LIMITS) as opened:
            return opened.missing(name, self.files).rows > 0

    def _find_missing(self, names: Set[str]) -> dict[str, Missing]:
        with self._engine.opened(self.pipeline, settings.LIMITS) as opened:
            return {
                name: opened.missing(name, self.files)
                for name in names
                if self.outcomes[name].is_complete
            }


def _warnings(name: str, outcome: Outcome) -> Iterator[str]:
    if outcome.page_size:
        yield (
            f"{name}: the API did not send as many rows for a page as requested, so it could skip "
            f"some. The list was read with {outcome.page_size} rows per page: set "
            f"[sources.{settings.SECTION}] page_size = {outcome.page_size}."
        )
    if outcome.is_misordered or outcome.hidden_changes:
        found = f"found {outcome.hidden_changes} changes that incremental syncs had missed"
        yield (
            f"{name}: the pages are not in the requested order, newest `last_update` first, so an "
            "incremental sync would miss changes. A full sync "
            f"{found if outcome.hidden_changes else 'was made'}."
        )
    elif outcome.outliers:
        yield f"{name}: {outcome.outliers} rows are not in the order of `last_update`."
    if outcome.has_gap:
        yield (
            f"{name}: pages have fewer rows than requested, although others follow, so rows may be "
            "missing. Nothing was deleted. The full sync is tried again in a day."
        )
    if outcome.unexplained_repeats:
        reason = (
            f"The first page comes twice: set [sources.{settings.SECTION}] first_page = 1."
            if outcome.repeats_first_page
            else "Rows with the same `last_update` seem to have no fixed order."
        )
        yield (
            f"{name}: {outcome.unexplained_repeats} rows were listed on several pages, more than "
            f"rows that moved explain, so as many others may be missing. {reason} Nothing was "
            "deleted. The full sync is tried again in a day."
        )


def _problems(name: str, outcome: Outcome) -> Iterator[str]:
    consequence = (
        "What was listed was loaded and published, and nothing was deleted. The full sync is tried "
        "again in a day."
        if outcome.is_up_to_date
        else "What was listed was merged into raw; nothing was deleted, built or published."
    )
    if outcome.failure:
        yield (
            f"The full sync of {name} could not be completed: {outcome.failed_at} cannot be read. "
            f"{plain_error(outcome.failure)} {consequence}"
        )
    if outcome.is_truncated:
        yield (
            f"The full sync of {name} could not be completed: the list ended after "
            f"{outcome.rows_listed} rows, twice, although the API lists at least "
            f"{outcome.rows_found} more. {consequence} Ask the provider of the API whether it "
            "limits the length of its lists."
        )


def shrinkage(reading: Reading, max_shrink: float) -> str:
    """Return what is wrong if full syncs would remove too much, with both counts; else nothing.

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
    """Settings of full syncs: after how many days (0: never), and what they may remove unasked."""

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
