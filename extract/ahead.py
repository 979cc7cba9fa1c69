"""Prefetches the next pages of an endpoint while one is worked on.

It lies below dlt's client, which requests one page after the other and gets responses that are
there already.

Rows move between pages during a sync: a change moves a row to the top, and those above its old
place down. So a page that is served before an earlier one can lack a row that moved down past the
border of both in between, and the earlier page does not show it any more. But then rows moved down
past the borders before, too: some earlier page, after the last one that was requested alone, begins
with rows of pages before it, or with newer ones. After such a page, what was prefetched is dropped
and requested again. If other rows leave the list concurrently, so that all move up again, or
hundreds of new rows have one `last_update`, this cannot be seen: the next full sync finds the row.
"""

from collections import deque
from collections.abc import Callable, Set
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from math import inf
from typing import Any, Self
from urllib.parse import urlsplit

from requests import PreparedRequest, RequestException, Response

from extract import settings
from extract.answers import CutShortError
from extract.errors import EltError
from extract.plan import FailedResponse
from extract.rows import Page
from extract.session import ApiSession
from extract.transport import page_of, with_page

READ_ALONE = 3  # pages that are requested alone; most syncs need no more


class _Sequence:
    """Requests of one endpoint that differ by page alone, one page after the other.

    Args:
        max_in_flight: requests at once.
        url: of its requests, without the page.
        page: the first one.
    """

    def __init__(self, max_in_flight: int, url: str = "", page: int = 0) -> None:
        self.url = url
        self.next_page = page
        self.is_descending = "sort_direction=desc" in url
        self.requested = 0  # pages
        self.window = 1  # pages that are requested at once
        self.ahead: dict[int, Future[Response]] = {}  # by page
        self.keys: deque[Set[Any]] = deque(maxlen=2 * max_in_flight)  # of the last pages
        self.oldest = inf  # cursor on the last page

    def drop(self) -> None:
        """Drop what was prefetched."""
        for response in self.ahead.values():
            response.cancel()
        self.ahead.clear()
        self.window = 1


class ReadAhead:
    """Sends the requests of one sync of the endpoints, until its `with` block ends.

    The block's end waits for the responses to requests in flight.

    The window of a sequence opens with its fourth page: 1, 2, 4, up to `max_in_flight` pages are
    requested at once. Another sequence of the same endpoint begins with a request that does not
    continue the one before: with another page than the next one, or with other parameters.
    """

    def __init__(self) -> None:
        self._at_end = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._at_end.close()

    def serve(
        self, session: ApiSession, max_in_flight: int, may_fail: Callable[[str], bool]
    ) -> None:
        """Send the requests of a session.

        Args:
            session: the session.
            max_in_flight: requests of one endpoint; with 1 nothing is prefetched.
            may_fail: returns whether an endpoint can do without the page that is requested.
        """
        self._max_in_flight = max_in_flight
        self._may_fail = may_fail
        self._sequences = {name: _Sequence(max_in_flight) for name in settings.ENDPOINTS}
        # as many threads as requests may be in flight
        self._threads = {
            name: ThreadPoolExecutor(max_in_flight, f"read-ahead-{name}")
            for name in settings.ENDPOINTS
        }
        for threads in self._threads.values():
            self._at_end.callback(threads.shutdown, cancel_futures=True)
        self._at_end.callback(session.end)  # runs first
        session.mount_adapter(max_in_flight * len(settings.ENDPOINTS))
        self._session = session
        session.fetch = self._fetch

    def note(self, name: str, page: Page) -> None:
        """Drop what was prefetched if this page shows that rows moved.

        Args:
            name: the endpoint's.
            page: its rows.
        """
        this = self._sequences[name]
        keys = set(page.identities())
        cursors = [cursor for cursor in page.cursors if cursor is not None]
        is_newer = this.is_descending and max(cursors, default=-inf) > this.oldest
        if is_newer or any(not earlier.isdisjoint(keys) for earlier in this.keys):
            this.drop()
        this.keys.append(keys)
        this.oldest = min(cursors, default=this.oldest)

    def _fetch(self, request: PreparedRequest, **options: Any) -> Response:
        """Return the response to a request, which may be there already, and send the next ones."""
        name, page = _endpoint_of(request), page_of(request) or 0
        url = str(with_page(request, 0).url)
        this = self._sequences[name]
        if (url, page) != (this.url, this.next_page):
            this.drop()
            this = self._sequences[name] = _Sequence(self._max_in_flight, url, page)
        this.requested += 1
        this.next_page += 1
        if this.requested > READ_ALONE:
            this.window = min(2 * this.window, self._max_in_flight)
        for number in range(page, page + this.window):
            if number not in this.ahead:
                following = with_page(request, number)
                this.ahead[number] = self._threads[name].submit(
                    self._session.send_paced, following, **options
                )
        try:
            return this.ahead.pop(page).result()
        except (EltError, RequestException, CutShortError) as failure:
            if not self._may_fail(name):
                raise
            self._session.resume()
            return FailedResponse(failure)


def _endpoint_of(request: PreparedRequest) -> str:
    path = urlsplit(str(request.url)).path
    (name,) = (name for name, other in settings.ENDPOINTS.items() if path.endswith(other.path))
    return name
