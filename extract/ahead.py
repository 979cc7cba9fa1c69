"""Reads ahead: asks for the next pages of a list while one is worked on.

It lies below dlt's client, which asks for one page after the other and gets what has come already.

While a list is read, rows move between its pages: a change moves a row to the top, and those above
its old place down. A page that is answered before an earlier one can so lack a row that moved down
past their border in between, and the earlier page shows it no more. But then rows moved down past
the borders before, too: some earlier page, after the last one that was read alone, begins with rows
of pages before it, or with newer ones. So a page that does makes all void that was read ahead. It
is asked for again. Where others leave the list in the same moment, so that all move up again, or
come by the hundred with one `last_update`, this cannot be seen: the next full read finds the row.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterator, Set
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from math import inf
from typing import Any, Self
from urllib.parse import urlsplit

from requests import PreparedRequest, Request, RequestException, Response, Session
from tenacity import RetryCallState

from extract import settings
from extract.answers import CutShortError
from extract.errors import EltError
from extract.plan import FailedResponse
from extract.rows import Page
from extract.transport import BoundedAdapter, page_of, with_page

READ_ALONE = 3  # pages from the top; most runs need no more


class AbandonedError(Exception):
    """What was read ahead is not needed any more."""


class _List:
    """What is read ahead of one list, and what its last pages held."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.expected = ("", 0)  # the request that continues the last one
        self.asked = 0  # pages
        self.window = 1  # pages that are asked for at once
        self.ahead: dict[int, Future[Response]] = {}
        self.sending = 0  # requests, retries included
        self.keys: deque[Set[Any]] = deque()
        self.oldest = inf  # cursor on the last page


class ReadAhead:
    """Sends the requests of one read of the lists, until its `with` block ends.

    The block's end waits for the answers that are on their way.

    The window of a list opens with its fourth page: 1, 2, 4, up to `max_in_flight` pages are asked
    for at once. If the API answers that these are too many (429), all requests wait as long as the
    one that it said so to, and then there are half as many.
    """

    def __init__(self) -> None:
        self._lists = {name: _List(name) for name in settings.ENDPOINTS}
        self._changed = threading.Condition()
        self._throttled: set[int] = set()  # threads whose request waits after a 429
        self._ended = threading.Event()
        self._at_end = ExitStack()
        self._prepared: dict[str, PreparedRequest] = {}  # by the list's URL

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._ended.set()
        with self._changed:
            self._changed.notify_all()
        self._at_end.close()

    def serve(self, session: Session, max_in_flight: int, may_fail: Callable[[str], bool]) -> None:
        """Send the requests of a session of dlt's client, retried as that one would.

        Args:
            session: the session.
            max_in_flight: requests of one list; with 1 nothing is read ahead.
            may_fail: returns whether a list can do without the page that is requested.
        """
        self._limit = max_in_flight
        self._may_fail = may_fail
        for this in self._lists.values():
            this.keys = deque(maxlen=2 * max_in_flight)
        threads = max_in_flight * len(self._lists)
        self._threads = ThreadPoolExecutor(threads, "read-ahead")
        self._at_end.callback(self._threads.shutdown, cancel_futures=True)
        for scheme in ("http://", "https://"):
            session.mount(scheme, _PacedAdapter(self._turn, threads))
        wrapped: Any = session  # its `send` is dlt's, an attribute that tenacity made
        self._retrying = wrapped.send.retry.copy(before_sleep=self._slow_down, sleep=self._sleep)
        self._send_once = wrapped.send.__wrapped__
        wrapped.send = self._answer
        self._session = session
        self._prepare_anew = session.prepare_request
        wrapped.prepare_request = self._prepare

    def note(self, name: str, page: Page) -> None:
        """Look at a page that is worked on: are the ones read ahead still those that follow it?

        Args:
            name: the list's.
            page: its rows.
        """
        this = self._lists[name]
        keys = set(page.identities())
        cursors = [cursor for cursor in page.cursors if cursor is not None]
        is_newer = max(cursors, default=-inf) > this.oldest
        if is_newer or any(not earlier.isdisjoint(keys) for earlier in this.keys):
            for answer in this.ahead.values():
                answer.cancel()
            this.ahead.clear()
            this.window = 1
        this.keys.append(keys)
        this.oldest = min(cursors, default=this.oldest)

    def _prepare(self, request: Request) -> PreparedRequest:
        """Prepare a request. Those of one list differ by their page, and by cookies, alone."""
        params = request.params
        key = f"{request.url} {params['sort_direction']} {params['per_page']}"
        if key not in self._prepared or self._session.cookies:
            self._prepared[key] = self._prepare_anew(request)
        return with_page(self._prepared[key], params["page"])

    def _answer(self, request: PreparedRequest, **options: Any) -> Response:
        """Return the answer to a request, which may have come already, and send the next ones."""
        this, page = self._list_of(request), page_of(request) or 0
        sequence = str(with_page(request, 0).url)
        if (sequence, page) != this.expected:
            this.ahead.clear()
            this.asked, this.window = 0, 1
        this.expected = (sequence, page + 1)
        this.asked += 1
        if this.asked > READ_ALONE:
            this.window = min(2 * this.window, self._limit)
        for number in range(page + 1, page + this.window):
            if number not in this.ahead:
                following = with_page(request, number)
                this.ahead[number] = self._threads.submit(self._send, following, **options)
        try:
            if page in this.ahead:
                return this.ahead.pop(page).result()
            return self._send(request, **options)
        except (EltError, RequestException, CutShortError) as failure:
            if not self._may_fail(this.name):
                raise
            return FailedResponse(failure)

    def _send(self, request: PreparedRequest, **options: Any) -> Response:
        # a copy has statistics of its own, which threads must not share
        response: Response = self._retrying.copy()(self._send_once, request, **options)
        return response

    @contextmanager
    def _turn(self, request: PreparedRequest) -> Iterator[None]:
        """Wait until one more request may be on its way."""
        this = self._list_of(request)
        with self._changed:
            self._changed.wait_for(
                lambda: self._ended.is_set() or (not self._throttled and this.sending < self._limit)
            )
            if self._ended.is_set():
                raise AbandonedError
            this.sending += 1
        try:
            yield
        finally:
            with self._changed:
                this.sending -= 1
                self._changed.notify_all()

    def _slow_down(self, state: RetryCallState) -> None:
        """Before a request waits for its next attempt: make the others wait, too, after a 429."""
        failure = state.outcome.exception() if state.outcome else None
        response = getattr(failure, "response", None)
        if response is not None and response.status_code == 429:
            with self._changed:
                if not self._throttled:
                    self._limit = max(1, self._limit // 2)
                self._throttled.add(threading.get_ident())

    def _sleep(self, seconds: float) -> None:
        """Wait, but not beyond the end of the read."""
        try:
            self.wait(seconds)
        finally:
            with self._changed:
                self._throttled.discard(threading.get_ident())
                self._changed.notify_all()

    def wait(self, seconds: float) -> None:
        """Wait for some seconds, or until the read ends."""
        self._ended.wait(seconds)

    def _list_of(self, request: PreparedRequest) -> _List:
        path = urlsplit(str(request.url)).path
        (name,) = (name for name, other in settings.ENDPOINTS.items() if path.endswith(other.path))
        return self._lists[name]


class _PacedAdapter(BoundedAdapter):
    """Sends each request, and each retry of it, in its turn."""

    def __init__(
        self, turn: Callable[[PreparedRequest], AbstractContextManager[None]], connections: int
    ) -> None:
        super().__init__(pool_maxsize=connections)
        self.turn = turn

    def send(self, request: PreparedRequest, *arguments: Any, **options: Any) -> Response:
        """Send a request and read the answer's body."""
        with self.turn(request):
            return super().send(request, *arguments, **options)
