"""What may pass is retried three times; how long a retry waits, and when none is made."""

import threading
from collections import deque

import pytest

from extract import settings
from extract.sandbox.server import ApiServer, Fault, ListRequest, Reply
from tests.support.builders import PASSING, RATE_LIMITED, Lists, at, leads, users
from tests.support.servers import pages_asked
from tests.support.sync import Source, check

ALL = list(range(1, 201))


@pytest.mark.parametrize("page", [0, 4])
@pytest.mark.parametrize("reply", PASSING.values(), ids=PASSING)
def test_a_passing_failure_is_retried(
    full_api: ApiServer, source: Source, waits: list[float], reply: Reply, page: int
) -> None:
    full_api.fault = at(reply, page=page, times=3)
    synced = source.sync()
    assert synced.exit_code == 0
    assert pages_asked(full_api).count(page) == 4
    assert waits == [2, 4, 8]
    assert synced.ids() == ALL


@pytest.mark.parametrize("reply", PASSING.values(), ids=PASSING)
def test_a_failure_that_does_not_pass_ends_the_sync_after_three_retries(
    full_api: ApiServer, source: Source, waits: list[float], reply: Reply
) -> None:
    full_api.fault = at(reply)
    synced = source.sync()
    assert synced.exit_code == 1
    assert pages_asked(full_api) == [0, 0, 0, 0]
    assert waits == [2, 4, 8]
    assert "Tried 4 times" in synced.error
    assert "leads/list" in synced.error


@pytest.mark.parametrize("status", [408, 425, 503, 520, 521, 522, 523, 524, 529])
def test_a_failure_of_a_proxy_or_cdn_is_no_end_of_the_list(
    full_api: ApiServer, source: Source, status: int
) -> None:
    full_api.fault = at(Reply(status, b"<html>Down</html>"), page=2)
    synced = source.sync()
    assert f"is HTTP {status}: an HTML page: Down. Tried 4 times" in synced.error
    assert "end_of_list" not in synced.error


@pytest.mark.parametrize("status", [304, 402, 407, 413, 414, 431, 451, 501, 525, 530])
def test_another_status_is_reported_at_once_as_what_it_is(
    full_api: ApiServer, source: Source, waits: list[float], status: int
) -> None:
    full_api.fault = at(Reply(status, b"" if status == 304 else b"Not now."), page=2)
    synced = source.sync()
    assert synced.exit_code == 1
    assert f"is HTTP {status}: " in synced.error
    assert "end_of_list" not in synced.error
    assert "api_key" not in synced.error
    assert waits == []


def test_a_time_out_is_retried(
    full_api: ApiServer, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    never = threading.Event()

    def hang(request: ListRequest) -> None:
        never.wait(timeout=60)

    monkeypatch.setattr(settings, "TIMEOUTS", (10, 0.3))
    full_api.fault = at(hang, page=1, times=1)
    try:
        synced = source.sync()
    finally:
        never.set()
    assert synced.exit_code == 0, synced.error
    assert pages_asked(full_api).count(1) >= 2  # a slow machine can time out once more
    assert synced.ids() == ALL


def test_retry_after_is_honoured(full_api: ApiServer, source: Source, waits: list[float]) -> None:
    full_api.fault = at(Reply.of_json({}, 503, Retry_After="17"), page=1, times=1)
    synced = source.sync()
    assert synced.exit_code == 0
    assert synced.ids() == ALL
    assert waits == [17]


def test_a_retry_after_of_5_minutes_is_honoured(
    full_api: ApiServer, source: Source, waits: list[float]
) -> None:
    full_api.fault = at(Reply.of_json({}, 503, Retry_After="300"), page=1, times=1)
    assert source.sync().exit_code == 0
    assert waits == [300]


@pytest.mark.parametrize(
    "value",
    [
        "301",
        "9" * 400,
        "Wed, 01 Jan 2098 00:00:00 GMT",
        "Wed, 01 Jan 2098 00:00:00 -0000",
        "Wed, 01 Jan 99999999999 00:00:00 GMT",
    ],
)
def test_a_retry_after_of_more_than_5_minutes_ends_the_sync_at_once(
    full_api: ApiServer, source: Source, waits: list[float], value: str
) -> None:
    full_api.fault = at(Reply.of_json({}, 429, Retry_After=value), page=1)
    synced = source.sync()
    assert synced.exit_code == 1
    assert pages_asked(full_api) == [0, 1]
    assert waits == []
    assert "asks to come back in more than 5 minutes" in synced.error


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    "value",
    ["0", "soon", "-3", "Wed, 01 Jan 2020 00:00:00 GMT", "Mon, 01 Jan 20245 00:00:00 GMT"],
)
def test_an_invalid_retry_after_falls_back_to_the_usual_wait(
    full_api: ApiServer, source: Source, waits: list[float], value: str, status: int
) -> None:
    full_api.fault = at(Reply.of_json({}, status, Retry_After=value), page=1, times=1)
    assert source.sync().exit_code == 0
    assert waits[0] == 2


@pytest.mark.parametrize("page", [0, 4])
def test_a_429_is_no_retry_and_its_waits_double_up_to_a_minute(
    full_api: ApiServer, source: Source, waits: list[float], page: int
) -> None:
    full_api.fault = at(RATE_LIMITED["429"], page=page, times=7)
    synced = source.sync()
    assert synced.exit_code == 0
    assert pages_asked(full_api).count(page) == 8
    assert waits[:7] == [2, 4, 8, 16, 32, 60, 60]
    assert synced.ids() == ALL


def test_429s_between_other_failures_leave_these_their_three_retries(
    full_api: ApiServer, source: Source, waits: list[float]
) -> None:
    statuses = [429, 503, 429, 502, 429, 429, 500]

    def respond(request: ListRequest) -> Reply | None:
        if (request.name, request.page) != ("leads", 1) or request.attempt > len(statuses):
            return None
        return Reply.of_json({}, statuses[request.attempt - 1])

    full_api.fault = respond
    synced = source.sync()
    assert synced.exit_code == 0, synced.error
    assert synced.ids() == ALL


@pytest.mark.parametrize(
    ("seconds", "expected"), [(17, [17, 17, 17, 17, 17]), (1, [1, 2, 4, 8, 16])]
)
def test_retry_after_of_a_429_is_honoured_and_exceeded_where_it_is_too_short(
    full_api: ApiServer, source: Source, waits: list[float], seconds: int, expected: list[float]
) -> None:
    full_api.fault = at(Reply.of_json({}, 429, Retry_After=str(seconds)), page=1, times=5)
    assert source.sync().exit_code == 0
    assert waits[:5] == expected


@pytest.mark.parametrize("in_flight", ["1", "4"])
@pytest.mark.parametrize("page", [0, 3])
def test_an_api_that_refuses_every_request_for_5_minutes_ends_the_sync(
    full_api: ApiServer,
    source: Source,
    waits: list[float],
    monkeypatch: pytest.MonkeyPatch,
    page: int,
    in_flight: str,
) -> None:
    full_api.fault = lambda request: RATE_LIMITED["429"] if request.page >= page else None
    monkeypatch.setenv("SOURCES__ANALYTICS_API__MAX_IN_FLIGHT", in_flight)
    synced = source.sync()
    assert synced.exit_code == 1
    assert 300 <= sum(waits) <= 360
    assert "leads/list" in synced.error
    assert "is HTTP 429" in synced.error
    assert "accepted no request for 5 minutes. Nothing was loaded. Run again later" in synced.error
    assert "max_in_flight = 1" in synced.error


def test_the_5_minutes_begin_anew_with_each_accepted_request(
    full_api: ApiServer, source: Source, waits: list[float]
) -> None:
    full_api.fault = lambda request: RATE_LIMITED["429"] if request.attempt < 8 else None
    synced = source.sync()
    assert synced.exit_code == 0, synced.error
    assert sum(waits) > 600
    assert synced.ids() == ALL


@pytest.mark.parametrize("refused", [1, 3])
def test_the_check_of_the_api_key_waits_after_a_429_as_well(
    full_api: ApiServer, waits: list[float], refused: int
) -> None:
    full_api.fault = at(RATE_LIMITED["429"], times=refused)
    assert check().exit_code == 0
    assert waits == [2, 4, 8][:refused]


def rate_limit(most: int, seconds: int, waits: list[float]) -> Fault:
    """Return a fault of an API that accepts so many requests within so many seconds.

    Time passes in waits alone.
    """
    accepted: deque[float] = deque(maxlen=most)
    deciding = threading.Lock()

    def respond(_: ListRequest) -> Reply | None:
        with deciding:
            now = sum(waits)
            if len(accepted) == most and now - accepted[0] < seconds:
                return RATE_LIMITED["429"]
            accepted.append(now)
            return None

    return respond


@pytest.mark.parametrize(("most", "seconds"), [(15, 20), (5, 1), (30, 60)])
def test_a_first_sync_under_a_rate_limit_takes_at_most_half_as_long_again_as_it_must(
    lists: Lists, api: ApiServer, source: Source, waits: list[float], most: int, seconds: int
) -> None:
    """tests/unit/test_pacing.py shows it for more limits, and for concurrent requests."""
    lists["leads"], lists["users"] = leads(80), users(40)
    api.fault = rate_limit(most, seconds, waits)
    synced = source.sync(page_size=1)
    assert synced.exit_code == 0, synced.error
    assert synced.ids() == list(range(1, 81))
    assert len(synced.ids("users")) == 40
    shortest = (81 + 41 - 1) // most * seconds
    assert shortest <= sum(waits) <= 1.5 * shortest


def test_a_first_sync_under_a_rate_limit_loads_everything_with_concurrent_requests_too(
    full_api: ApiServer, source: Source, waits: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    full_api.fault = rate_limit(15, 20, waits)
    monkeypatch.setenv("SOURCES__ANALYTICS_API__MAX_IN_FLIGHT", "4")
    synced = source.sync(page_size=5)
    assert synced.exit_code == 0, synced.error
    assert synced.ids() == ALL
    assert len(synced.ids("users")) == 60


def test_a_rate_limit_of_the_proof_alone_does_not_fail_the_sync(
    full_api: ApiServer, source: Source
) -> None:
    """The page in ascending order is refused for ever: a sync can do without it."""
    full_api.fault = lambda request: (
        Reply(429) if request.params["sort_direction"] == "asc" else None
    )
    synced = source.sync()
    assert synced.exit_code == 0, synced.error
    assert synced.ids() == ALL
