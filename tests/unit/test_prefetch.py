"""Prefetching: how many pages are requested at once, and that no row is lost by it."""

import threading
import time
from collections import Counter

import pytest

from extract.ahead import ReadAhead
from extract.pacing import Clock
from extract.sandbox.server import ApiServer, ListRequest, Reply
from tests.support.builders import Lists, lead, leads, users
from tests.support.servers import pages_asked
from tests.support.sync import Source

SETTING = "SOURCES__ANALYTICS_API__MAX_IN_FLIGHT"
PATIENCE = 30  # seconds for what must happen
GLANCE = 0.1  # seconds for what must not happen
NOW, WAIT = Clock.now, Clock.wait  # which a fixture replaces


class Crowd:
    """Delays requests for leads until so many are on their way at once, and counts them.

    Args:
        size: how many. One more is waited for only a short time.
        first_page: requests for earlier pages are not delayed.
    """

    def __init__(self, size: int, first_page: int) -> None:
        self.size = size
        self.first_page = first_page
        self.peak = 0
        self._there = 0
        self._changed = threading.Condition()
        self._released = threading.Event()

    def join(self, request: ListRequest) -> None:
        """Delay a request, as a fault that changes no reply."""
        if request.name != "leads" or request.page < self.first_page:
            return
        with self._changed:
            self._there += 1
            self.peak = max(self.peak, self._there)
            self._changed.notify_all()
            if not self._released.is_set():
                self._changed.wait_for(lambda: self.peak >= self.size, PATIENCE)
                self._changed.wait_for(lambda: self.peak > self.size, GLANCE)
                self._released.set()
        with self._changed:
            self._there -= 1


@pytest.mark.parametrize("in_flight", [1, 3, 8])
def test_as_many_requests_of_a_resource_are_on_their_way_as_the_setting_allows(
    lists: Lists, api: ApiServer, source: Source, monkeypatch: pytest.MonkeyPatch, in_flight: int
) -> None:
    lists["leads"], lists["users"] = leads(1000), users(1000)
    crowd = Crowd(in_flight, first_page=10)
    api.fault = crowd.join
    monkeypatch.setenv(SETTING, str(in_flight))
    synced = source.sync()
    assert synced.exit_code == 0
    assert crowd.peak == in_flight
    for name in ("leads", "users"):
        pages = Counter(pages_asked(api, name))
        assert set(pages.values()) == {1}
        assert 21 <= len(pages) <= 21 + in_flight - 1
        assert synced.counts[name].rows_read == len(synced.rows[name]) == 1000


def test_pages_are_requested_at_once_from_the_fourth_on(
    lists: Lists, api: ApiServer, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    lists["leads"] = leads(400)
    fifth = threading.Event()
    met = []

    def respond(request: ListRequest) -> None:
        if request.page == 4:
            fifth.set()
        if request.page in (2, 3):
            met.append(fifth.wait(PATIENCE if request.page == 3 else GLANCE))

    api.fault = respond
    monkeypatch.setenv(SETTING, "8")
    assert source.sync().exit_code == 0
    assert met == [False, True], "page 4 is requested with page 3, not with page 2"


@pytest.mark.parametrize("changed", [0, 60])
def test_a_sync_that_finds_few_changes_prefetches_no_page(
    lists: Lists, api: ApiServer, source: Source, monkeypatch: pytest.MonkeyPatch, changed: int
) -> None:
    lists["leads"] = leads(600)
    monkeypatch.setenv(SETTING, "8")
    source.sync()
    before = len(api.requests)
    for number in range(changed):
        lists["leads"][-1 - number] = lead(600 - number, -1 - number, name="changed")
    assert source.sync().exit_code == 0
    assert pages_asked(api, after=before) == ([0, 1, 2] if changed else [0])


@pytest.mark.parametrize("moved", ["old", "old, the border without its key", "new"])
def test_no_row_is_missed_that_moves_between_two_pages_requested_at_once(
    lists: Lists, api: ApiServer, source: Source, monkeypatch: pytest.MonkeyPatch, moved: str
) -> None:
    """Page 4 is served before page 3. In between rows move down, so that neither shows some.

    An old lead that is changed moves the others by one; many new ones move them by pages.
    """
    lists["leads"] = leads(600)
    if "border" in moved:
        lists["leads"][149]["crmhero_user_id"] = None
    served = threading.Event()

    def respond(request: ListRequest) -> Reply | None:
        if request.name != "leads" or request.attempt > 1:
            return None
        if request.page == 4:
            reply = Reply.of_json({"data": {"leads": lists["leads"][200:250]}})
            served.set()
            return reply
        if request.page == 3:
            assert served.wait(PATIENCE)
            if moved.startswith("old"):
                lists["leads"][-1] = lead(600, -1, name="changed")
            else:
                lists["leads"] += [lead(1000 + number, -1) for number in range(450)]
        return None

    api.fault = respond
    monkeypatch.setenv(SETTING, "2")
    synced = source.sync()
    assert synced.exit_code == 0
    assert set(range(1, 600)) - {150} <= set(synced.ids())
    head = moved == "new"  # the new leads fill it up to page 8, and it is read again
    assert pages_asked(api).count(4) == 2 + head


@pytest.mark.parametrize("in_flight", ["1", "4"])
def test_a_cookie_of_the_api_is_sent_back(
    lists: Lists, api: ApiServer, source: Source, monkeypatch: pytest.MonkeyPatch, in_flight: str
) -> None:
    """A load balancer sets it, to send all requests to one machine."""
    lists["leads"] = leads(200)

    def respond(request: ListRequest) -> Reply | None:
        if (request.name, request.page) != ("leads", 0):
            return None
        return Reply.of_json({"data": {"leads": leads(200)[:50]}}, Set_Cookie="route=a; Path=/")

    api.fault = respond
    monkeypatch.setenv(SETTING, in_flight)
    assert source.sync().exit_code == 0
    later = [request.headers for request in api.requests if request.name == "leads"][1:]
    assert {headers.get("cookie") for headers in later} == {"route=a"}


def test_a_prefetched_page_has_the_retries_of_any_other(
    lists: Lists,
    api: ApiServer,
    source: Source,
    waits: list[float],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lists["leads"] = leads(600)
    api.fault = lambda request: Reply.of_json({}, 503) if request.page == 6 else None
    monkeypatch.setenv(SETTING, "4")
    synced = source.sync()
    assert synced.exit_code == 1
    assert "page=6" in synced.error
    assert waits == [2, 4, 8]
    assert pages_asked(api).count(6) == 4


def test_a_prefetched_page_that_fails_past_the_end_does_not_matter(
    lists: Lists, api: ApiServer, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    lists["leads"] = leads(430)
    api.fault = lambda request: Reply.of_json({}, 404) if request.page > 8 else None
    monkeypatch.setenv(SETTING, "4")
    monkeypatch.setenv("SOURCES__ANALYTICS_API__END_OF_LIST", "short_page")
    synced = source.sync()
    assert synced.exit_code == 0
    assert len(synced.ids()) == 430


def test_a_failed_sync_abandons_what_was_prefetched(
    lists: Lists, api: ApiServer, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The request for page 6 would be retried in two minutes when page 5 ends the sync."""
    lists["leads"] = leads(600)
    refused = threading.Event()

    def respond(request: ListRequest) -> Reply | None:
        if request.page == 6:
            refused.set()
            return Reply.of_json({}, 503, Retry_After="120")
        if request.page == 5:
            assert refused.wait(PATIENCE)
            return Reply.of_json({}, 400)
        return None

    api.fault = respond
    monkeypatch.setattr(Clock, "now", NOW)
    monkeypatch.setattr(Clock, "wait", WAIT)
    monkeypatch.setenv(SETTING, "4")
    begun = time.monotonic()
    synced = source.sync()
    assert time.monotonic() - begun < 60, "it did not wait for the retry"
    assert "is HTTP 400" in synced.error
    assert pages_asked(api).count(6) == 1
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("read-ahead")]


def test_a_sync_that_never_began_raises_its_own_failure() -> None:
    with pytest.raises(ValueError, match="the reason"), ReadAhead():
        raise ValueError("the reason")
