"""What full and incremental syncs leave in the warehouse, and what they request from the API."""

from collections.abc import Callable

from extract.sandbox.server import ApiServer, Fault, ListRequest, Reply
from tests.support.elt import Query
from tests.support.servers import listed

DAYS = "ELT__FULL_READ_DAYS"
EVERY_RUN = "0.0000001"  # days: the last full sync is always older


def lead_ids(query: Query) -> list[int]:
    """Return the ids of all stored leads, sorted."""
    return [number for (number,) in query("select crmhero_user_id from raw.leads order by 1")]


def mode(query: Query) -> str:
    """Return the mode of the last run."""
    ((newest,),) = query("select mode from raw.elt_runs order by started_at desc limit 1")
    return str(newest)


def pages(api: ApiServer) -> dict[str, list[int]]:
    """Return the pages that listings requested, by resource, in the order of the requests."""
    return {name: listed(api.requests, name) for name in ("leads", "users")}


def before_page(change: Callable[[], None], name: str, page: int, attempt: int = 1) -> Fault:
    """Return a fault that calls a function just before the API serves a page.

    Args:
        change: the function.
        name: the resource.
        page: the page's number.
        attempt: the number of the request for this page, from 1.
    """

    def fault(request: ListRequest) -> Reply | None:
        if (request.name, request.page, request.attempt) == (name, page, attempt):
            change()
        return None

    return fault
