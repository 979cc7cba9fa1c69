"""A plan: which pages of an endpoint are requested, one after the other.

It is a generator that yields a request and is sent the page. A paginator of dlt's REST client,
which is asked after each page whether another one follows, carries it out.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any, Literal, NamedTuple

from dlt.sources.helpers.rest_client.paginators import BasePaginator
from requests import Request, Response

from extract.rows import Page

Direction = Literal["desc", "asc"]


class PageRequest(NamedTuple):
    """A page to request: its number, its rows at most, and the direction of `last_update`.

    If it `may_fail`, a failure is sent to the plan instead of being raised.
    """

    number: int
    size: int
    direction: Direction = "desc"
    may_fail: bool = False


class Received(NamedTuple):
    """What came of a request: a page, which is empty if there was a failure."""

    page: Page
    sent_at: float | None = None  # by the clock of the API, in UNIX seconds
    failure: Exception | None = None


Requests = Generator[PageRequest, Received, None]


class Plan(ABC):
    """The requests of one sync. `page` is what is to be loaded of the page received last."""

    page: Page

    @abstractmethod
    def requests(self) -> Requests:
        """Yield requests, and be sent what was received."""

    def begin(self) -> PageRequest:
        """Return the first request."""
        self._requests = self.requests()
        return next(self._requests)

    def take(self, received: Received) -> PageRequest | None:
        """Return the request that follows on a page; None at the end."""
        self.page = received.page
        try:
            return self._requests.send(received)
        except StopIteration:
            return None


class FailedResponse(Response):
    """Stands for the response to a request that may fail, and did."""

    def __init__(self, failure: Exception) -> None:
        super().__init__()
        self.status_code = 200
        self.failure = failure

    def json(self, **_: Any) -> dict[str, Any]:
        """Return a body without rows."""
        return {}


class PlanPaginator(BasePaginator):
    """Carries out a plan. `damaged_rows` of the page received last have a byte that is not UTF-8.

    Args:
        make_plan: makes the plan before the first request.
        prepare: makes a page of the rows of a response.
    """

    def __init__(self, make_plan: Callable[[], Plan], prepare: Callable[[list[Any]], Page]) -> None:
        super().__init__()
        self.make_plan = make_plan
        self.prepare = prepare

    @property
    def may_fail(self) -> bool:
        """Whether the plan can do without the page that is requested."""
        return bool(self.request and self.request.may_fail)

    def init_request(self, request: Request) -> None:
        """Request the first page."""
        self.plan = self.make_plan()
        self.request: PageRequest | None = self.plan.begin()
        self.update_request(request)

    def update_state(self, response: Response, data: list[Any] | None = None) -> None:
        """Take a page, and learn which one follows."""
        failure = response.failure if isinstance(response, FailedResponse) else None
        received = Received(self.prepare(data or []), _sent_at(response), failure)
        self.request = self.plan.take(received)
        self._has_next_page = self.request is not None
        # rows that are read once more, as a proof, count once
        is_whole = self.plan.page is received.page
        self.damaged_rows = getattr(response, "damaged_rows", 0) if is_whole else 0

    def update_request(self, request: Request) -> None:
        """Request the page that follows."""
        if self.request:
            request.params |= {
                "sort_direction": self.request.direction,
                "per_page": self.request.size,
                "page": self.request.number,
            }


def _sent_at(response: Response) -> float | None:
    """Return the `Date` of a response, in UNIX seconds."""
    try:
        date = parsedate_to_datetime(response.headers["Date"])
        return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
    except (KeyError, ValueError, OverflowError):
        return None
