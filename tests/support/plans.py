"""A plan and the list it requests, without HTTP: thousands of pages take a second."""

import itertools
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from extract.customer import CustomerProject
from extract.plan import PageRequest, Plan, Received
from extract.rows import RowPreparer
from extract.sync_plan import StartingPoint, SyncPlan
from tests.support.builders import NEWEST, Row, lead

STARTED_AT = datetime(2026, 6, 2, tzinfo=UTC)  # hours after the newest row
LAG = 900.0  # seconds
Pages = Callable[[PageRequest], Sequence[Any]]
Serve = Callable[[PageRequest], Sequence[Any] | Exception]


@dataclass
class Carried:
    """What was requested by a plan, and which rows it passed on."""

    requests: list[PageRequest] = field(default_factory=list)
    ids: list[Any] = field(default_factory=list)  # contact ids, in the order of the pages


def full(
    page_size: int = 50, end_of_list: Any = "empty", start: bool = False, first_page: int = 0
) -> SyncPlan:
    """Return the plan of a full sync of leads.

    Args:
        page_size: the setting.
        end_of_list: the setting.
        start: the list was synced before, up to the newest row.
        first_page: the setting.
    """
    known = StartingPoint(NEWEST.timestamp(), LAG) if start else None
    return SyncPlan("leads", page_size, first_page, end_of_list, True, known)


def incremental(
    minutes_before: float = 0,
    page_size: int = 50,
    end_of_list: Any = "empty",
    first_page: int = 0,
) -> SyncPlan:
    """Return the plan of an incremental sync of leads.

    Args:
        minutes_before: when the newest row known was updated, before the newest row.
        page_size: the setting.
        end_of_list: the setting.
        first_page: the setting.
    """
    known = StartingPoint(NEWEST.timestamp() - 60 * minutes_before, LAG)
    return SyncPlan("leads", page_size, first_page, end_of_list, False, known)


def carry_out(plan: Plan, serve: Serve, most: int = 2000) -> Carried:
    """Carry out a plan.

    Args:
        plan: the plan.
        serve: returns the rows of a page, or why there are none.
        most: requests; a plan that makes more has no end.
    """
    rows = RowPreparer("leads", STARTED_AT, CustomerProject(), dict)
    carried = Carried()
    request: PageRequest | None = plan.begin()
    while request:
        carried.requests.append(request)
        assert len(carried.requests) <= most
        reply = serve(request)
        if isinstance(reply, Exception):
            if not request.may_fail:
                raise reply
            received = Received(rows.prepare([]), None, reply)
        else:
            received = Received(rows.prepare(reply))
        request = plan.take(received)
        carried.ids += [key[0] for key in plan.page.keys]
    return carried


def served(rows: list[Row], cap: int = 1000) -> Pages:
    """Return an API that sorts and divides rows as requested.

    Args:
        rows: the list; may change.
        cap: rows of a page, whatever is requested.
    """

    def serve(request: PageRequest) -> Sequence[Row]:
        ordered = sorted(
            rows, key=lambda row: str(row["last_update"]), reverse=request.direction == "desc"
        )
        size = min(request.size, cap)
        return ordered[request.number * size : (request.number + 1) * size]

    return serve


class Events:
    """A list that changes before each page is served, as a seed says."""

    def __init__(self, seed: int, page_size: int) -> None:
        self._random = random.Random(seed)
        count = self._random.choice((0, 1, page_size, page_size + 1, 5 * page_size + 2, 150))
        self.rows = [lead(number, self._random.choice((number, 500))) for number in range(count)]
        self.moved_up = 0  # rows that left their place to others
        self._numbers = itertools.count(10_000)
        self._minutes = 0.0  # since the list was first served

    def serve(self, request: PageRequest) -> Sequence[Row]:
        """Let something happen, or nothing or two things, and serve a page."""
        for _ in range(self._random.randrange(3)):
            self._minutes += self._random.choice((0, 0.02, 0.1))
            self._happen()
        return served(self.rows)(request)

    def _happen(self) -> None:
        kind = self._random.choice(("arrive", "change", "leave", "come late", "seem older"))
        place = self._random.randrange(len(self.rows)) if self.rows else 0
        if kind in ("arrive", "come late"):
            late = self._random.random() if kind == "come late" else 0
            self.rows.append(lead(next(self._numbers), late - self._minutes))
        elif self.rows:
            number = self.rows.pop(place)["crmhero_user_id"]
            self.moved_up += kind != "change"
            if kind != "leave":
                self.rows.append(lead(number, 70 if kind == "seem older" else -self._minutes))
