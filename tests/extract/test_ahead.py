"""Reading ahead: how many pages are asked for, and that no row is lost by it."""

import threading
import time
from collections import Counter

import pytest

from extract.ahead import ReadAhead
from extract.sandbox.server import ApiServer, ListRequest, Reply
from tests.builders import Lists, lead, leads, users
from tests.conftest import Elt, Query

pytestmark = pytest.mark.usefixtures("without_models")
SETTING = "SOURCES__ANALYTICS_API__MAX_IN_FLIGHT"


class Crowd:
    """Answers as the API does, and counts how many requests of a list are there at once."""

    def __init__(self, api: ApiServer) -> None:
        self.api = api
        self.lock = threading.Lock()
        self.there: Counter[str] = Counter()
        self.peak = 0
        api.fault = self.answer

    def answer(self, request: ListRequest) -> Reply | None:
        """Count a request while it is there."""
        with self.lock:
            self.there[request.name] += 1
            self.peak = max(self.peak, self.there[request.name])
        time.sleep(0.02)
        with self.lock:
            self.there[request.name] -= 1
        return None


def asked(api: ApiServer, name: str = "leads") -> Counter[int]:
    """Return how often each page was asked for."""
    return Counter(request.page for request in api.requests if request.name == name)


@pytest.mark.parametrize(("in_flight", "most"), [("1", 1), ("3", 3), ("8", 8)])
def test_no_more_is_read_ahead_than_the_setting_says(
    lists: Lists,
    api: ApiServer,
    elt: Elt,
    query: Query,
    monkeypatch: pytest.MonkeyPatch,
    in_flight: str,
    most: int,
) -> None:
    lists["leads"], lists["users"] = leads(1000), users(1000)
    crowd = Crowd(api)
    monkeypatch.setenv(SETTING, in_flight)
    assert elt("run").exit_code == 0
    assert crowd.peak <= most
    for name in ("leads", "users"):
        pages = asked(api, name)
        assert set(pages.values()) == {1}
        assert 21 <= len(pages) <= 21 + most - 1
        assert query(f"select count(*) from raw.{name}") == [(1000,)]


def test_pages_are_asked_for_at_once_from_the_fourth_on(
    lists: Lists, api: ApiServer, elt: Elt, monkeypatch: pytest.MonkeyPatch
) -> None:
    lists["leads"] = leads(400)
    fifth = threading.Event()
    met = []

    def answer(request: ListRequest) -> Reply | None:
        if request.page == 4:
            fifth.set()
        if request.page in (2, 3):
            met.append(fifth.wait(10 if request.page == 3 else 0.3))
        return None

    api.fault = answer
    monkeypatch.setenv(SETTING, "8")
    assert elt("run").exit_code == 0
    assert met == [False, True], "page 4 is asked for with page 3, not with page 2"


@pytest.mark.parametrize("changed", [0, 100])
def test_a_run_that_finds_little_changed_reads_no_page_ahead(
    lists: Lists, api: ApiServer, elt: Elt, monkeypatch: pytest.MonkeyPatch, changed: int
) -> None:
    lists["leads"] = leads(600)
    monkeypatch.setenv(SETTING, "8")
    elt("run")
    before = len(api.requests)
    for number in range(changed):
        lists["leads"][-1 - number] = lead(600 - number, -1 - number, name="changed")
    assert elt("run").exit_code == 0
    assert [request.page for request in api.requests[before:] if request.name == "leads"] == (
        [0, 1, 2] if changed else [0]
    )


@pytest.mark.parametrize("name", ["old", "old, the border without its key", "new"])
def test_no_row_is_missed_that_moves_between_two_pages_read_at_once(
    lists: Lists,
    api: ApiServer,
    elt: Elt,
    query: Query,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> None:
    """Page 4 is answered before page 3. In between rows move down, so that neither shows some.

    An old lead that is changed moves the others by one; many new ones move them by pages.
    """
    lists["leads"] = leads(600)
    if "border" in name:
        lists["leads"][149]["crmhero_user_id"] = None
    answered = threading.Event()

    def answer(request: ListRequest) -> Reply | None:
        if request.name != "leads" or request.attempt > 1:
            return None
        if request.page == 4:
            reply = Reply.of_json({"data": {"leads": lists["leads"][200:250]}})
            answered.set()
            return reply
        if request.page == 3:
            assert answered.wait(10)
            if name.startswith("old"):
                lists["leads"][-1] = lead(600, -1, name="changed")
            else:
                lists["leads"] += [lead(1000 + number, -1) for number in range(450)]
        return None

    api.fault = answer
    monkeypatch.setenv(SETTING, "2")
    assert elt("run").exit_code == 0
    loaded = {number for (number,) in query("select crmhero_user_id from raw.leads")}
    assert set(range(1, 600)) - {150} <= loaded
    assert asked(api)[4] == 2


@pytest.mark.parametrize("in_flight", ["1", "4"])
def test_a_cookie_of_the_api_is_sent_back(
    lists: Lists, api: ApiServer, elt: Elt, monkeypatch: pytest.MonkeyPatch, in_flight: str
) -> None:
    """A load balancer sets it, to send all requests to one machine."""
    lists["leads"] = leads(200)

    def answer(request: ListRequest) -> Reply | None:
        if (request.name, request.page) != ("leads", 0):
            return None
        return Reply.of_json({"data": {"leads": leads(200)[:50]}}, Set_Cookie="route=a; Path=/")

    api.fault = answer
    monkeypatch.setenv(SETTING, in_flight)
    assert elt("run").exit_code == 0
    later = [request.headers for request in api.requests if request.name == "leads"][1:]
    assert {headers.get("cookie") for headers in later} == {"route=a"}


def test_too_many_requests_make_all_wait_and_then_halve_their_number(
    lists: Lists, api: ApiServer, elt: Elt, query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    lists["leads"] = leads(2000)
    crowd = Crowd(api)
    sent_while_waiting: list[int] = []

    def wait(_: ReadAhead, seconds: float) -> None:
        assert seconds == 7
        before = -1
        while before != len(api.requests):  # those that were on their way already
            before = len(api.requests)
            time.sleep(0.2)
        time.sleep(0.3)
        sent_while_waiting.append(len(api.requests) - before)
        crowd.peak = 0

    def answer(request: ListRequest) -> Reply | None:
        if (request.page, request.name, request.attempt) == (11, "leads", 1):
            return Reply.of_json({}, 429, Retry_After="7")
        return crowd.answer(request)

    monkeypatch.setattr(ReadAhead, "wait", wait)
    api.fault = answer
    monkeypatch.setenv(SETTING, "4")
    assert elt("run").exit_code == 0
    assert sent_while_waiting == [0]
    assert crowd.peak <= 2
    assert query("select count(*) from raw.leads") == [(2000,)]


def test_a_page_read_ahead_has_the_retries_of_any_other(
    lists: Lists, api: ApiServer, elt: Elt, waits: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    lists["leads"] = leads(600)
    api.fault = lambda request: Reply.of_json({}, 503) if request.page == 6 else None
    monkeypatch.setenv(SETTING, "4")
    outcome = elt("run")
    assert outcome.exit_code == 1
    assert "page=6" in outcome.stderr
    assert waits == [2, 4, 8]
    assert asked(api)[6] == 4


def test_what_fails_past_the_end_of_the_list_is_of_no_concern(
    lists: Lists, api: ApiServer, elt: Elt, query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    lists["leads"] = leads(430)
    api.fault = lambda request: Reply.of_json({}, 404) if request.page > 8 else None
    monkeypatch.setenv(SETTING, "4")
    monkeypatch.setenv("SOURCES__ANALYTICS_API__END_OF_LIST", "short_page")
    assert elt("run").exit_code == 0
    assert query("select count(*) from raw.leads") == [(430,)]


@pytest.mark.parametrize("value", ["0", "-1", "many"])
def test_a_setting_that_cannot_work_is_refused(
    api: ApiServer, elt: Elt, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv(SETTING, value)
    outcome = elt("run")
    assert outcome.exit_code == 2
    assert "max_in_flight" in outcome.stderr
    assert not api.requests


def test_a_read_that_never_began_ends_well() -> None:
    with pytest.raises(ValueError, match="the reason"), ReadAhead():
        raise ValueError("the reason")
