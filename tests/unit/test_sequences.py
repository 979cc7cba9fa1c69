"""Prefetching when the requests of one endpoint differ in more than the page."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any

import pytest

from extract import ahead
from extract.ahead import ReadAhead
from extract.client import http_session
from extract.rows import Page
from extract.sandbox.server import ApiServer, Reply
from tests.support.builders import Lists, leads
from tests.support.elt import API_KEY

PER_PAGE = 10


class WatchedThreads(ThreadPoolExecutor):
    """Threads whose requests a test can wait for."""

    requests: list[Future[Any]]

    def submit(self, *arguments: Any, **options: Any) -> Future[Any]:
        """Remember the request."""
        future = super().submit(*arguments, **options)
        self.requests.append(future)
        return future


class Reader:
    """Requests pages of the leads as dlt's client does, four at once."""

    def __init__(self, api: ApiServer) -> None:
        self.api = api
        self.ahead = ReadAhead()
        self.session = http_session(api.url)
        self.ahead.serve(self.session, 4, lambda _: False)

    def read(self, *pages: int, direction: str = "desc", per_page: int = PER_PAGE) -> list[Any]:
        """Return the ids on the pages, one page after the other."""
        ids = []
        params: dict[str, str | int] = {
            "sort": "last_update",
            "sort_direction": direction,
            "per_page": per_page,
        }
        for page in pages:
            response = self.session.get(
                f"{self.api.url}leads/list",
                params={**params, "page": page},
                headers={"Authorization": f"Bearer {API_KEY}"},
            )
            ids += [row["crmhero_user_id"] for row in response.json()["data"]["leads"]]
        return ids

    def asked(self, direction: str = "desc", per_page: int = PER_PAGE) -> list[int]:
        """Return the pages that were requested until now, sorted."""
        wait(WatchedThreads.requests)
        return sorted(
            request.page
            for request in self.api.requests
            if (request.params["sort_direction"], request.per_page) == (direction, per_page)
        )


@pytest.fixture
def reader(lists: Lists, api: ApiServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Reader]:
    """Reads 300 leads on 30 pages."""
    monkeypatch.setattr(ahead, "ThreadPoolExecutor", WatchedThreads)
    monkeypatch.setattr(WatchedThreads, "requests", [], raising=False)
    lists["leads"] = leads(300)
    reader = Reader(api)
    with reader.ahead:
        yield reader


def test_pages_in_the_other_direction_are_prefetched_from_their_own_fourth_on(
    reader: Reader,
) -> None:
    assert reader.read(*range(8)) == list(range(1, 81))
    assert reader.read(0, 1, 2, direction="asc") == list(range(300, 270, -1))
    assert reader.asked("asc") == [0, 1, 2]


def test_from_the_fourth_page_of_the_other_direction_on_pages_are_requested_at_once(
    reader: Reader,
) -> None:
    reader.read(*range(8))
    assert reader.read(*range(4), direction="asc") == list(range(300, 260, -1))
    assert reader.asked("asc") == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("back_to", [0, 3, 7, 12], ids=["first", "earlier", "same", "later"])
def test_pages_from_another_place_are_requested_again_and_alone_at_first(
    reader: Reader, lists: Lists, back_to: int
) -> None:
    reader.read(*range(8))
    lists["leads"] = leads(300)[::-1]
    for row in lists["leads"]:
        row["crmhero_user_id"] += 1000
    pages = range(back_to, back_to + 4)
    assert min(reader.read(*pages)) > 1000, "nothing of before the change"
    again = [*range(back_to, back_to + 5)]
    asked = reader.asked()
    for page in again:
        asked.remove(page)
    assert set(range(8)) <= set(asked) <= set(range(12))
    assert len(asked) == len(set(asked)), "what was prefetched before was requested once"


def test_pages_of_another_size_are_read_from_the_first_on(reader: Reader) -> None:
    reader.read(*range(8))
    assert reader.read(0, 1, 2, per_page=50) == list(range(1, 151))
    assert reader.asked(per_page=50) == [0, 1, 2]


def test_the_next_page_in_the_other_direction_is_another_sequence(reader: Reader) -> None:
    reader.read(*range(8))
    assert reader.read(8, direction="asc") == list(range(220, 210, -1))
    assert reader.asked("asc") == [8]


def test_sequences_that_alternate_prefetch_nothing(reader: Reader) -> None:
    for page in range(6):
        reader.read(page)
        reader.read(page, direction="asc")
    assert reader.asked() == list(range(6))


def test_a_page_in_ascending_order_is_no_sign_of_rows_that_moved(reader: Reader) -> None:
    """Its rows are newer than those of the page before."""
    for page in range(12):
        ids = reader.read(page, direction="asc")
        keys = [(number,) for number in ids]
        reader.ahead.note("leads", Page(keys, [-float(number) for number in ids], {}, []))
    asked = reader.asked("asc")
    assert asked == list(range(len(asked))), "no page twice"
    assert len(asked) > 12


def test_a_dropped_page_that_fails_does_not_matter(reader: Reader) -> None:
    reader.api.fault = lambda request: (
        Reply(reset=True)
        if request.page > 7 and request.params["sort_direction"] == "desc"
        else None
    )
    assert reader.read(*range(8)) == list(range(1, 81))
    assert reader.read(0, direction="asc") == list(range(300, 290, -1))


def test_each_request_has_its_own_hooks(reader: Reader) -> None:
    called = []
    url = f"{reader.api.url}leads/list"
    for name in ("first", "second"):
        reader.session.get(
            url,
            params={"page": 0},
            headers={"Authorization": f"Bearer {API_KEY}"},
            hooks={"response": lambda *_, name=name, **__: called.append(name)},
        )
    assert called == ["first", "second"]
