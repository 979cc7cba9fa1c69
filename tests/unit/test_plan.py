"""How a paginator carries out a plan."""

import pytest
from requests import Request, Response

from extract.plan import FailedResponse, PageRequest, Plan, PlanPaginator, Received, Requests
from extract.rows import Page

NOTHING = Page([], [], {}, [])


class Two(Plan):
    """Requests two pages."""

    def __init__(self) -> None:
        self.received: list[Received] = []

    def requests(self) -> Requests:
        """Yield the requests."""
        self.received.append((yield PageRequest(3, 50)))
        self.received.append((yield PageRequest(0, 20, "asc", may_fail=True)))


@pytest.fixture
def paginator() -> PlanPaginator:
    """A paginator of two pages."""
    plan = Two()
    return PlanPaginator(lambda: plan, lambda rows: NOTHING)


def test_a_request_has_the_page_the_size_and_the_direction_of_the_plan(
    paginator: PlanPaginator,
) -> None:
    request = Request(params={"sort": "last_update"})
    paginator.init_request(request)
    assert request.params == {
        "sort": "last_update",
        "sort_direction": "desc",
        "per_page": 50,
        "page": 3,
    }
    assert not paginator.may_fail
    paginator.update_state(Response(), [])
    paginator.update_request(request)
    assert request.params == {
        "sort": "last_update",
        "sort_direction": "asc",
        "per_page": 20,
        "page": 0,
    }
    assert paginator.may_fail
    assert paginator.has_next_page
    paginator.update_state(FailedResponse(ValueError("no")), [])
    assert not paginator.has_next_page
    assert isinstance(paginator.plan, Two)
    assert str(paginator.plan.received[1].failure) == "no"


@pytest.mark.parametrize(
    ("date", "seconds"),
    [
        ("Sat, 28 Nov 2026 09:00:00 GMT", 1795856400),
        ("Sat, 28 Nov 2026 10:00:00 +0100", 1795856400),
        ("Sat, 28 Nov 2026 09:00:00 -0000", 1795856400),
        ("yesterday", None),
        ("Wed, 01 Jan 99999999999 00:00:00 GMT", None),
        (None, None),
    ],
)
def test_the_clock_of_the_api_is_the_date_of_its_response(
    paginator: PlanPaginator, date: str | None, seconds: float | None
) -> None:
    response = Response()
    if date:
        response.headers["Date"] = date
    paginator.init_request(Request())
    paginator.update_state(response, [])
    assert isinstance(paginator.plan, Two)
    assert paginator.plan.received[0].sent_at == seconds
