"""Every way in which the API's contract says that a response can fail, on any list and page.

And ways in which an API breaks its contract with responses that look right.
"""

import itertools
import json
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from extract.sandbox.server import Fault, ListRequest, Reply
from tests.support.builders import FINAL, NO_LIST, PASSING, RATE_LIMITED, REFUSALS, at
from tests.support.convergence.contacts import WatchedServer

TIME_OUT = 1  # seconds that a run waits for an answer, where the fault is that none comes
SILENCE, SAME_PAGE = "no answer in time", "the page is ignored"


def _with_list(reply: Reply) -> Callable[[ListRequest], Reply]:
    """Return an answer about leads that speaks of the list that was asked for."""

    def answer(request: ListRequest) -> Reply:
        if request.name == "leads":
            return reply
        body = reply.body.replace(b"users", b"*").replace(b"leads", b"users")
        return replace(reply, body=body.replace(b"*", b"leads"))

    return answer


def _silent(_: ListRequest) -> Reply:
    time.sleep(TIME_OUT * 1.5)
    return Reply(504)


FAULTS: dict[str, Reply | Callable[[ListRequest], Reply]] = {
    **REFUSALS,
    **FINAL,
    **PASSING,
    **{name: _with_list(reply) for name, reply in NO_LIST.items()},
    **RATE_LIMITED,
    "503, back in an hour": Reply.of_json({}, 503, Retry_After="3600"),
    SILENCE: _silent,
    SAME_PAGE: Reply(),
}
MAY_PASS = {*PASSING, *RATE_LIMITED, SILENCE}


def fault_on(api: WatchedServer, name: str, resource: str, page: int, times: int) -> Fault:
    """Return a fault on a page of a list, for its first `times` requests (0: for ever)."""
    if name == SAME_PAGE:
        return lambda request: (
            api.show(replace(request, page=0), api.ordered(request))
            if request.name == resource and request.page > 0
            else None
        )
    return at(FAULTS[name], resource, page, times or None)


def exit_codes(name: str, times: int, served: int) -> set[int]:
    """Return how a run may end that met a fault so many times; 0: well."""
    most = 4 if name in RATE_LIMITED else 3  # more 429s than other failures in succession
    if not served or (name in MAY_PASS and 0 < times <= most):
        return {0}
    return {2} if name in REFUSALS else {1}


def _oldest_first(api: WatchedServer, request: ListRequest) -> Reply:
    params = {**request.params, "sort_direction": "asc"}
    return api.show(request, api.ordered(replace(request, params=params)))


def _tie(api: WatchedServer, request: ListRequest) -> Reply:
    """Show rows of one `last_update` in another order on each page."""
    rows = api.ordered(request)
    turned = []
    for _, same in itertools.groupby(rows, key=lambda row: str(row["last_update"])):
        tied = list(same)
        turn = request.page % len(tied)
        turned += tied[turn:] + tied[:turn]
    return api.show(request, turned)


def _capped(api: WatchedServer, request: ListRequest) -> Reply:
    """Send two rows at most, but count the pages by the size requested."""
    rows, begin = api.ordered(request), request.page * request.per_page
    listed = rows[begin : begin + min(request.per_page, 2)]
    return api.show(replace(request, page=0), listed)


def _truncated(api: WatchedServer, request: ListRequest) -> Reply:
    return api.show(request, api.ordered(request)[: 2 * request.per_page])


def _empty_page(api: WatchedServer, request: ListRequest) -> Reply | None:
    return api.show(request, []) if (request.page, request.attempt) == (1, 1) else None


def _last_page_again(api: WatchedServer, request: ListRequest) -> Reply:
    """Repeat the last page, with another signature in each row."""
    rows = api.ordered(request)
    last = max(0, (len(rows) - 1) // request.per_page)
    reply = api.show(replace(request, page=min(request.page, last)), rows)
    return _with_field(reply, request, "avatar_url", f"?sig={len(api.requests)}")


def _other_project(api: WatchedServer, request: ListRequest) -> Reply:
    return _with_field(api.show(request, api.ordered(request)), request, "app_id", "other")


def _with_field(reply: Reply, request: ListRequest, field: str, value: Any) -> Reply:
    page = json.loads(reply.body)
    for row in page["data"][request.name]:
        row[field] = value
    return Reply.of_json(page)


VIOLATIONS: dict[str, Callable[[WatchedServer, ListRequest], Reply | None]] = {
    "oldest first": _oldest_first,
    "ties": _tie,
    "capped page size": _capped,
    "truncated": _truncated,
    "empty page": _empty_page,
    "last page again": _last_page_again,
    "other project": _other_project,
}
MAY_HIDE_ROWS = ("ties", "truncated")  # a run does not have them, but says so
