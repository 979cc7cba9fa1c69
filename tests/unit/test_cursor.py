"""Incremental syncs: where one ends, what the overlap covers, and which rows move the cursor."""

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from extract.sandbox.server import ApiServer, ListRequest
from tests.support.builders import Lists, lead, leads, listing, moment, user, users
from tests.support.servers import pages_asked
from tests.support.sync import Row, Source, newest

LAG = "SOURCES__ANALYTICS_API__LAG_SECONDS"


def by_id(rows: list[Row]) -> dict[Any, Row]:
    return newest(rows, "crmhero_user_id")


def test_a_first_sync_reads_everything_and_an_unchanged_second_a_page_of_each_resource(
    lists: Lists, api: ApiServer, source: Source
) -> None:
    lists["leads"], lists["users"] = leads(230), users(120)
    synced = source.sync()
    assert synced.ids() == list(range(1, 231))
    assert len(synced.rows["users"]) == 120
    before = len(api.requests)
    synced = source.sync()
    assert synced.exit_code == 0
    assert [(request.name, request.page) for request in api.requests[before:]] == [
        ("leads", 0),
        ("users", 0),
    ]
    # those within 15 minutes of the newest one, which was a minute before 12:00
    assert synced.ids() == list(range(1, 17))
    assert len(synced.rows["users"]) == 16
    assert synced.counts["leads"].rows_read == 50


def test_a_changed_and_a_new_lead_arrive_with_the_next_sync(
    lists: Lists, api: ApiServer, source: Source
) -> None:
    lists["leads"] = leads(230)
    source.sync()
    lists["leads"][99] = lead(100, minutes_before=-3, name="changed")
    lists["leads"].append(lead(999, minutes_before=-2))
    synced = source.sync()
    assert synced.counts["leads"].requests == 2
    assert by_id(synced.rows["leads"])[100]["name"] == "changed"
    assert 999 in synced.ids()


@pytest.mark.parametrize("lag", ["900", "0"])
def test_a_second_change_within_the_same_second_arrives(
    lists: Lists, api: ApiServer, source: Source, monkeypatch: pytest.MonkeyPatch, lag: str
) -> None:
    monkeypatch.setenv(LAG, lag)
    lists["leads"] = [lead(1, name="first"), lead(2, minutes_before=600)]
    source.sync()
    lists["leads"][0] = lead(1, name="second")
    assert [row["name"] for row in source.sync().rows["leads"]] == ["second"]


def test_a_change_that_is_committed_late_arrives_from_within_the_overlap(
    lists: Lists, api: ApiServer, source: Source
) -> None:
    lists["leads"] = [lead(1), lead(2, minutes_before=600)]
    source.sync()
    lists["leads"].append(lead(3, minutes_before=14))
    assert source.sync().ids() == [1, 3]


def test_the_overlap_is_a_setting(
    lists: Lists, api: ApiServer, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(LAG, "60")
    lists["leads"] = leads(100)
    source.sync()
    lists["leads"].append(lead(999, minutes_before=10))
    assert source.sync().ids() == [1, 2]


def test_a_sync_without_new_rows_ends_well_and_keeps_the_cursor(
    lists: Lists, api: ApiServer, source: Source
) -> None:
    """The newest lead signs up, and all others are older than the overlap."""
    lists["leads"] = [lead(1), *(lead(n, minutes_before=60 + n) for n in range(2, 60))]
    lists["users"] = [user("u1", 1000, 60)]
    source.sync()
    lists["users"].append(user("u2", lists["leads"].pop(0)["crmhero_user_id"], -1))
    for _ in range(2):
        synced = source.sync()
        assert synced.exit_code == 0
        assert synced.ids() == []
        assert (synced.counts["leads"].rows_read, synced.counts["leads"].requests) == (50, 1)
        assert "u2" in {row["user_id"] for row in synced.rows["users"]}


@pytest.mark.parametrize("last_update", [None, "2126-01-01 00:00:00"])
def test_a_page_of_rows_without_a_cursor_does_not_end_the_sync(
    lists: Lists, api: ApiServer, source: Source, last_update: str | None
) -> None:
    lists["leads"] = leads(120)
    source.sync()
    undated = [{**lead(n), "last_update": last_update} for n in range(900, 1010)]
    listed = [*undated, lead(5, -1, name="changed"), *lists["leads"]]
    api.fault = listing([listed[n : n + 50] for n in range(0, len(listed), 50)])
    synced = source.sync()
    assert synced.exit_code == 0
    assert set(range(900, 1010)) <= set(synced.ids())
    assert by_id(synced.rows["leads"])[5]["name"] == "changed"


@pytest.mark.parametrize("invalid", [None, "", "yesterday", "0000-00-00 00:00:00", 17, ["2026"]])
def test_a_row_with_an_invalid_last_update_is_yielded_and_does_not_end_the_sync(
    lists: Lists, api: ApiServer, source: Source, invalid: object
) -> None:
    lists["leads"] = leads(120)
    source.sync()
    # changes fill more than a page, and rows without a cursor lie on top and in between
    changed = [lead(n, minutes_before=-n, name="changed") for n in range(80, 0, -1)]
    undated = [{**lead(n), "last_update": invalid} for n in (901, 902)]
    listed = [*undated[:1], *changed, *undated[1:]]
    api.fault = listing([listed[:50], listed[50:]])
    rows = by_id(source.sync().rows["leads"])
    assert {number for number, row in rows.items() if row["name"] == "changed"} == set(range(1, 81))
    assert rows[901]["_cursor"] is None
    assert rows[902]["_cursor"] is None


def test_a_last_update_in_the_future_does_not_move_the_cursor(
    lists: Lists, api: ApiServer, source: Source
) -> None:
    future = f"{datetime.now(UTC) + timedelta(days=1000):%Y-%m-%d %H:%M:%S}"
    lists["leads"] = [{**lead(1), "last_update": future}, *leads(100)[1:]]
    assert source.sync().ids() == list(range(1, 101))
    lists["leads"][50] = lead(51, minutes_before=-1, name="changed")
    synced = source.sync()
    assert (synced.counts["leads"].rows_read, synced.counts["leads"].requests) == (100, 2)
    assert by_id(synced.rows["leads"])[51]["name"] == "changed"


def test_a_clock_a_little_ahead_moves_the_cursor_to_the_start_of_the_sync(
    lists: Lists, api: ApiServer, source: Source
) -> None:
    """A change between now and the time of that clock must not fall behind the cursor."""
    ahead = f"{datetime.now(UTC) + timedelta(minutes=4):%Y-%m-%d %H:%M:%S}"
    lists["leads"] = [{**lead(1), "last_update": ahead}]
    before = time.time()
    (row,) = source.sync().rows["leads"]
    assert before <= row["_cursor"] <= time.time()
    lists["leads"].append({**lead(2), "last_update": f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S}"})
    assert source.sync().ids() == [1, 2]


def test_rows_that_move_to_the_top_while_pages_are_read_arrive_with_the_next_sync(
    lists: Lists, api: ApiServer, source: Source
) -> None:
    lists["leads"] = leads(200)

    def move(request: ListRequest) -> None:
        if (request.name, request.page, request.attempt) == ("leads", 1, 1):
            lists["leads"][180] = lead(181, minutes_before=-1, name="moved")

    api.fault = move
    rows = source.sync().rows["leads"] + source.sync().rows["leads"]
    merged = by_id(rows)
    assert sorted(merged) == list(range(1, 201))
    assert merged[181]["name"] == "moved"


def test_every_change_of_both_resources_arrives_with_the_next_sync(
    lists: Lists, api: ApiServer, source: Source
) -> None:
    """There are more changes than a page between two syncs."""
    lists["leads"], lists["users"] = leads(300), users(150)
    source.sync()
    lists["leads"] = [
        lead(n, -n, name="changed") if n % 3 == 0 else lead(n, n) for n in range(1, 301)
    ]
    lists["users"] += [user(f"new{n}", 900 + n, -n) for n in range(1, 71)]
    before = len(api.requests)
    synced = source.sync()
    merged = by_id(synced.rows["leads"])
    assert {n for n, row in merged.items() if row["name"]} == set(range(3, 301, 3))
    assert merged[300]["last_update"] == moment(-300)
    assert {f"new{n}" for n in range(1, 71)} <= {row["user_id"] for row in synced.rows["users"]}
    # a page of old rows proves that the rest is older
    assert pages_asked(api, "leads", before) == [0, 1, 2, 3]
    assert pages_asked(api, "users", before) == [0, 1, 2]
