"""What a warehouse remembers of its source: the API it belongs to, cursors, full syncs.

dlt keeps it as the state of the source, and stores it in the warehouse with every load: a change
made here holds from the next load on.
"""

import math
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import dlt

from extract import settings
from extract.errors import SettingsError

DAY = 86400  # seconds


@contextmanager
def _source_state(pipeline: dlt.Pipeline) -> Iterator[dict[str, Any]]:
    with pipeline.managed_state() as state:
        yield state.setdefault("sources", {}).setdefault(settings.SECTION, {})


def bind(pipeline: dlt.Pipeline, base_url: str, rebind: bool, elsewhere: str) -> None:
    """Tie the warehouse to the API it is loaded from.

    Args:
        pipeline: restored from the warehouse.
        base_url: the API of this run.
        rebind: accept another API than the one before. Its lists are then read whole: a cursor of
            one address says nothing about what changed at another.
        elsewhere: where another warehouse can be.

    Raises:
        SettingsError: it is another one, and `rebind` is not set.
    """
    with _source_state(pipeline) as state:
        bound = state.get("base_url", base_url)
        if bound != base_url and not rebind:
            raise SettingsError(
                f"The warehouse was loaded from {bound}, but base_url is {base_url}. A warehouse "
                f"holds one customer project: set {elsewhere} for another. If it is the same "
                "project at a new address, run once with --rebind."
            )
        if bound != base_url:
            state.pop("resources", None)
            state.pop("unsorted", None)
            for name in settings.ENDPOINTS:
                state.setdefault("unfinished", {}).setdefault(name, 0)
        state["base_url"] = base_url


def app_id(pipeline: dlt.Pipeline) -> str | None:
    """Return the customer project of the rows that were loaded, None where it is not known."""
    with _source_state(pipeline) as state:
        known: str | None = state.get("app_id")
        return known


def remember_project(pipeline: dlt.Pipeline, app_id: str | None) -> None:
    """Remember the customer project of the rows, where they name it."""
    with _source_state(pipeline) as state:
        if app_id:
            state["app_id"] = app_id


def remember_order(pipeline: dlt.Pipeline, is_sorted: Mapping[str, bool | None]) -> None:
    """Remember which lists are not sorted by `last_update`: each sync of these is a full one.

    Args:
        pipeline: the pipeline.
        is_sorted: by list; None where it is not known, which changes nothing.
    """
    with _source_state(pipeline) as state:
        known = {name for name, is_in_order in is_sorted.items() if is_in_order is not None}
        unsorted = {name for name in known if not is_sorted[name]}
        state["unsorted"] = sorted({*state.get("unsorted", ())} - known | unsorted)


def newest_cursors(pipeline: dlt.Pipeline) -> dict[str, float]:
    """Return the newest cursor of each list, in UNIX seconds, once it was synced completely.

    Before that, a full sync cannot do without a page.
    """
    with _source_state(pipeline) as state:
        return {
            name: cursor["last_value"]
            for name, resource in state.get("resources", {}).items()
            if name in state.get("full_reads", {})
            and (cursor := resource.get("incremental", {}).get(settings.CURSOR))
        }


def is_full_sync_postponed(pipeline: dlt.Pipeline) -> bool:
    """Return whether a full sync could not be completed within the last day."""
    with _source_state(pipeline) as state:
        return bool(state.get("incomplete_full_sync", 0) > time.time() - DAY)


def full_reads_due(pipeline: dlt.Pipeline, names: Iterable[str], full_read_days: float) -> set[str]:
    """Return the lists of which a full sync is due.

    Those that have no cursor, those that are not sorted, those of which a full sync was begun and
    not finished, and those of which the last one is `full_read_days` old (0: it may have any age)
    or not known. After one that could not be completed, none is due for its age for a day.
    """
    is_postponed = is_full_sync_postponed(pipeline)
    with _source_state(pipeline) as state:
        finished, unfinished = state.get("full_reads", {}), state.get("unfinished", {})
        oldest = time.time() - full_read_days * DAY if full_read_days else -math.inf
        return {
            name
            for name in names
            if name not in state.get("resources", {})
            or name in unfinished
            or name in state.get("unsorted", ())
            or (finished.get(name, 0) <= oldest and not is_postponed)
        }


def begin_full_reads(
    pipeline: dlt.Pipeline, names: Iterable[str], rows_held: Mapping[str, int]
) -> None:
    """Make the next read of some lists a whole one, and remember until it is finished.

    Args:
        pipeline: the pipeline.
        names: the lists.
        rows_held: the rows of their tables, by list. If a full sync is unfinished, those that it
            found stay: what it merged may be another project's. If it found none, it was the first.
    """
    with _source_state(pipeline) as state:
        unfinished = state.setdefault("unfinished", {})
        for name in names:
            state.get("resources", {}).pop(name, None)
            unfinished[name] = unfinished.get(name) or rows_held[name]


def rows_before(pipeline: dlt.Pipeline, name: str) -> int:
    """Return the rows of a list's table when the full sync of it was first begun."""
    with _source_state(pipeline) as state:
        return int(state["unfinished"][name])


def finish_full_reads(pipeline: dlt.Pipeline, names: Iterable[str], started_at: datetime) -> None:
    """Remember when full syncs began whose rows are merged and whose removals are done."""
    with _source_state(pipeline) as state:
        for name in names:
            del state["unfinished"][name]
            state.setdefault("full_reads", {})[name] = started_at.timestamp()
            state.pop("incomplete_full_sync", None)


def postpone_full_reads(pipeline: dlt.Pipeline, names: Iterable[str]) -> None:
    """Remember when full syncs could not be completed, although all changes were read."""
    with _source_state(pipeline) as state:
        for name in names:
            del state["unfinished"][name]
            state["incomplete_full_sync"] = time.time()
