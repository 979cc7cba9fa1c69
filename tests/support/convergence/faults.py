"""Every way in which the API's contract says that an answer can fail, on any list and page."""

import time
from collections.abc import Callable
from dataclasses import replace

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
            api.page(resource, 0, request.per_page)
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
