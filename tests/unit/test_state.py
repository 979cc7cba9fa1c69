"""What a warehouse remembers of its source: its API, and which full syncs are due or unfinished."""

import time
from contextlib import nullcontext
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from extract import settings, state
from extract.errors import SettingsError
from tests.support.remembered import remembered

BOTH = {"leads", "users"}
API = "https://api.example.com/v1/"
MOVED = "https://api.example.org/v1/"


def synced(days_ago: float = 1) -> Any:
    """Return a pipeline that has cursors, and whose full syncs began so many days ago."""
    began_at = time.time() - days_ago * 86400
    return remembered(
        resources={name: {"incremental": {}} for name in BOTH},
        full_reads=dict.fromkeys(BOTH, began_at),
    )


def test_a_pipeline_without_any_state_gets_one() -> None:
    stored: dict[str, Any] = {}
    pipeline: Any = SimpleNamespace(managed_state=lambda: nullcontext(stored))
    state.begin_full_reads(pipeline, ["leads"], {"leads": 3})
    assert stored == {"sources": {settings.SECTION: {"unfinished": {"leads": 3}}}}


@pytest.mark.parametrize("days", [0, 7])
def test_a_full_sync_is_due_where_there_is_no_cursor(days: float) -> None:
    pipeline = synced()
    del pipeline.source["resources"]["leads"]
    assert state.full_reads_due(pipeline, BOTH, days) == {"leads"}
    assert state.full_reads_due(remembered(), BOTH, days) == BOTH


@pytest.mark.parametrize("days", [0, 7])
def test_a_full_sync_is_due_until_it_is_finished(days: float) -> None:
    pipeline = synced()
    pipeline.source["unfinished"] = {"users": 0}
    assert state.full_reads_due(pipeline, BOTH, days) == {"users"}


@pytest.mark.parametrize(("days_ago", "due"), [(6.9, set()), (7.1, BOTH)])
def test_a_full_sync_is_due_after_so_many_days(days_ago: float, due: set[str]) -> None:
    assert state.full_reads_due(synced(days_ago), BOTH, 7) == due


def test_a_cursor_counts_once_the_list_was_synced_completely() -> None:
    cursors = {name: {"incremental": {settings.CURSOR: {"last_value": 5.0}}} for name in BOTH}
    pipeline = remembered(resources=cursors, full_reads={"leads": 1.0})
    assert state.newest_cursors(pipeline) == {"leads": 5.0}


def test_each_sync_of_a_list_that_is_not_sorted_is_a_full_one_until_it_is() -> None:
    pipeline = synced()
    state.remember_order(pipeline, {"leads": False, "users": True})
    assert state.full_reads_due(pipeline, BOTH, 7) == {"leads"}
    state.remember_order(pipeline, {"leads": None})
    assert state.full_reads_due(pipeline, BOTH, 7) == {"leads"}
    state.remember_order(pipeline, {"leads": True})
    assert state.full_reads_due(pipeline, BOTH, 7) == set()


def test_each_resource_has_a_full_sync_of_its_own() -> None:
    pipeline = synced()
    pipeline.source["full_reads"]["leads"] -= 7 * 86400
    assert state.full_reads_due(pipeline, BOTH, 7) == {"leads"}
    assert state.full_reads_due(pipeline, {"users"}, 7) == set()


def test_a_full_sync_of_unknown_age_is_due() -> None:
    pipeline = synced()
    del pipeline.source["full_reads"]
    assert state.full_reads_due(pipeline, BOTH, 7) == BOTH


def test_no_full_sync_is_due_for_its_age_where_that_is_switched_off() -> None:
    pipeline = synced(days_ago=36_500)
    assert state.full_reads_due(pipeline, BOTH, 0) == set()
    del pipeline.source["full_reads"]
    assert state.full_reads_due(pipeline, BOTH, 0) == set()


def test_beginning_a_full_sync_forgets_the_cursor_of_that_resource_alone() -> None:
    pipeline = synced()
    state.begin_full_reads(pipeline, ["leads"], {"leads": 10, "users": 4})
    assert set(pipeline.source["resources"]) == {"users"}
    assert pipeline.source["unfinished"] == {"leads": 10}
    assert state.rows_before(pipeline, "leads") == 10


def test_an_unfinished_full_sync_keeps_the_rows_that_it_found_first() -> None:
    """What it has merged since may be another project's."""
    pipeline = synced()
    state.begin_full_reads(pipeline, ["leads"], {"leads": 10})
    state.begin_full_reads(pipeline, ["leads"], {"leads": 40})
    assert state.rows_before(pipeline, "leads") == 10


def test_an_unfinished_first_sync_has_no_rows_to_keep() -> None:
    pipeline = remembered()
    state.begin_full_reads(pipeline, ["leads"], {"leads": 0})
    state.begin_full_reads(pipeline, ["leads"], {"leads": 10})
    assert state.rows_before(pipeline, "leads") == 10


def test_a_finished_full_sync_is_remembered_with_its_start() -> None:
    pipeline = synced(days_ago=8)
    state.begin_full_reads(pipeline, BOTH, dict.fromkeys(BOTH, 1))
    started_at = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
    users_before = pipeline.source["full_reads"]["users"]
    state.finish_full_reads(pipeline, ["leads"], started_at)
    assert pipeline.source["unfinished"] == {"users": 1}
    assert pipeline.source["full_reads"] == {
        "leads": started_at.timestamp(),
        "users": users_before,
    }


def test_the_first_full_sync_can_be_finished() -> None:
    pipeline = remembered(unfinished={"leads": 0})
    state.finish_full_reads(pipeline, ["leads"], datetime.now(UTC))
    assert state.full_reads_due(pipeline, ["leads"], 0) == {"leads"}, "it has no cursor"
    pipeline.source["resources"] = {"leads": {}}
    assert state.full_reads_due(pipeline, ["leads"], 7) == set()


def test_a_warehouse_is_bound_to_the_first_api() -> None:
    pipeline = remembered()
    state.bind(pipeline, API, rebind=False, elsewhere="another folder")
    assert pipeline.source["base_url"] == API
    state.bind(pipeline, API, rebind=False, elsewhere="another folder")
    with pytest.raises(SettingsError, match="--rebind") as refused:
        state.bind(pipeline, MOVED, rebind=False, elsewhere="another folder")
    for part in (API, MOVED, "another folder"):
        assert part in str(refused.value)
    assert pipeline.source == {"base_url": API}


def test_rebinding_makes_full_syncs_of_all_resources_due() -> None:
    pipeline = synced()
    pipeline.source |= {"base_url": API, "unsorted": ["leads"]}
    state.bind(pipeline, MOVED, rebind=True, elsewhere="another folder")
    assert pipeline.source["base_url"] == MOVED
    assert not pipeline.source.keys() & {"resources", "unsorted"}
    assert state.full_reads_due(pipeline, BOTH, 0) == BOTH
    pipeline.source["resources"] = {name: {} for name in BOTH}
    assert state.full_reads_due(pipeline, BOTH, 0) == BOTH, "even if they have cursors"


def test_rebinding_where_nothing_moved_changes_nothing() -> None:
    pipeline = synced()
    state.bind(pipeline, API, rebind=True, elsewhere="another folder")
    assert state.full_reads_due(pipeline, BOTH, 7) == set()
    assert set(pipeline.source["resources"]) == BOTH


def test_rebinding_does_not_accept_what_was_refused() -> None:
    pipeline = synced()
    pipeline.source["base_url"] = API
    state.begin_full_reads(pipeline, ["leads"], {"leads": 12})
    state.bind(pipeline, MOVED, rebind=True, elsewhere="another folder")
    state.begin_full_reads(pipeline, BOTH, {"leads": 42, "users": 3})
    assert [state.rows_before(pipeline, name) for name in ("leads", "users")] == [12, 3]
