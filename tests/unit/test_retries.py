"""What may pass is retried three times; how long a retry waits, and when none is made."""

import threading

import pytest

from extract import settings
from extract.sandbox.server import ApiServer, ListRequest, Reply
from tests.support.builders import PASSING, at
from tests.support.servers import pages_asked
from tests.support.sync import Source

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
    full_api.fault = at(Reply.of_json({}, 429, Retry_After="17"), page=1, times=1)
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


@pytest.mark.parametrize(
    "value",
    ["0", "soon", "-3", "Wed, 01 Jan 2020 00:00:00 GMT", "Mon, 01 Jan 20245 00:00:00 GMT"],
)
def test_an_invalid_retry_after_falls_back_to_the_usual_wait(
    full_api: ApiServer, source: Source, waits: list[float], value: str
) -> None:
    full_api.fault = at(Reply.of_json({}, 503, Retry_After=value), page=1, times=1)
    assert source.sync().exit_code == 0
    assert waits == [2]
