"""The HTTP session: it retries what may pass, and sends requests at a pace that the API accepts."""

import threading
from collections.abc import Callable
from math import inf
from typing import Any

from dlt.sources.helpers.requests.retry import wait_exponential_retry_after
from dlt.sources.helpers.requests.session import Session
from requests import PreparedRequest, Request, Response
from tenacity import Retrying, retry_if_exception, stop_after_attempt

from extract import settings
from extract.answers import CutShortError, PassingError, RateLimitError, retry_after
from extract.errors import ApiError
from extract.pacing import Clock, Pacer
from extract.transport import BoundedAdapter, may_pass, with_page


class EndedError(Exception):
    """The session has ended; the response is not needed any more."""


class ApiSession(Session):
    """A session for one API. Threads may share it.

    A failure that may pass is retried `settings.RETRIES` times. A 429 is not one of these: the
    request is sent again until the API accepts it, or has accepted none for `MAX_REFUSED` seconds.
    """

    def __init__(self) -> None:
        super().__init__(timeout=settings.TIMEOUTS, raise_for_status=False)
        # how `send` gets a response; prefetching replaces it
        self.fetch: Callable[..., Response] = self.send_paced
        self._samples: dict[tuple[Any, ...], tuple[Any, PreparedRequest]] = {}
        self._clock = Clock()
        self._pacer = Pacer(self._clock.now)
        self._queue = threading.Lock()  # of the requests that wait for the pace
        self._changed = threading.Condition()  # what the pacer knows
        self._ended = threading.Event()
        self._given_up = ""  # the reason, for all threads
        self._retrying = Retrying(
            wait=wait_exponential_retry_after(
                multiplier=settings.BACKOFF_FACTOR, max=settings.MAX_RETRY_AFTER
            ),
            retry=retry_if_exception(_is_passing),
            stop=stop_after_attempt(settings.RETRIES + 1),
            reraise=True,
            sleep=self._wait,
        )
        self.mount_adapter(1)

    def mount_adapter(self, connections: int) -> None:
        """Keep up to so many connections open."""
        for scheme in ("http://", "https://"):
            self.mount(scheme, BoundedAdapter(pool_maxsize=connections))

    def prepare_request(self, request: Request) -> PreparedRequest:
        """Prepare a request. Preparing takes time: those that differ by page alone share it."""
        page = request.params.get("page")
        if page is None:
            return super().prepare_request(request)
        others = tuple((name, value) for name, value in request.params.items() if name != "page")
        hooks, sample = self._samples.get((request.url, others), (None, None))
        if sample is None or hooks != request.hooks or self.cookies:
            hooks, sample = request.hooks, super().prepare_request(request)
            self._samples[request.url, others] = hooks, sample
        return with_page(sample, page)

    def send(self, request: PreparedRequest, **options: Any) -> Response:
        """Return the response to a request."""
        return self.fetch(request, **options)

    def send_paced(self, request: PreparedRequest, **options: Any) -> Response:
        """Send a request when the pace allows it, retry it where that may help."""
        # a copy has statistics of its own, which threads must not share
        response: Response = self._retrying.copy()(self._send_until_accepted, request, **options)
        return response

    def resume(self) -> None:
        """Go on after a request that could do without a response: others may be accepted."""
        with self._changed:
            self._given_up = ""
            self._pacer.forget_refusals()

    def end(self) -> None:
        """Wait for nothing any more, in all threads."""
        self._ended.set()
        with self._changed:
            self._changed.notify_all()

    def _send_until_accepted(self, request: PreparedRequest, **options: Any) -> Response:
        send: Callable[..., Response] = super().send  # which dlt gives no types
        while True:
            started = self._start()
            try:
                response = send(request, **options)
            except RateLimitError as refusal:
                with self._changed:
                    self._pacer.refuse(started, retry_after(refusal.response))
                    if self._pacer.refused_for() >= settings.MAX_REFUSED:
                        self._given_up = _too_many_requests(refusal)
                    self._changed.notify_all()
            except BaseException:
                self._report(self._pacer.fail, started)
                raise
            else:
                self._report(self._pacer.accept, started)
                return response

    def _start(self) -> float:
        """Wait until a request may start, and return when it does."""
        with self._queue:
            while True:
                with self._changed:
                    self._changed.wait_for(
                        lambda: self._ended.is_set() or self._pacer.delay() < inf
                    )
                    if self._ended.is_set():
                        raise EndedError
                    if self._given_up:
                        raise ApiError(self._given_up)
                    delay = self._pacer.delay()
                    if not delay:
                        return self._pacer.start()
                self._wait(delay)

    def _report(self, outcome: Callable[[float], None], started: float) -> None:
        with self._changed:
            outcome(started)
            self._changed.notify_all()

    def _wait(self, seconds: float) -> None:
        self._clock.wait(seconds, self._ended)


def _is_passing(error: BaseException) -> bool:
    return isinstance(error, PassingError | CutShortError) or may_pass(None, error)


def _too_many_requests(refusal: RateLimitError) -> str:
    return (
        f"{refusal} The API has accepted no request for {settings.MAX_REFUSED // 60} minutes. "
        "Nothing was loaded. Run again later; if that does not help, set "
        f"[sources.{settings.SECTION}] max_in_flight = 1, and check what else uses the limit of "
        "this API key."
    )
