"""What `elt check` requests of an endpoint.

Four pages show whether the API does what incremental and full syncs rely on.
"""

from collections.abc import Iterator
from typing import Literal

from extract import settings
from extract.list_plan import SECTION, ListPlan
from extract.listing import Cut, Listing
from extract.order import DescendingOrder
from extract.plan import PageRequest, Requests
from extract.sync_plan import is_other_end

FAR_AWAY = 100_000  # pages; no list is as long
Finding = tuple[Literal["ok", "warning", "failed"], str]


class CheckPlan(ListPlan):
    """The requests of a check, and what they showed: `findings`, a sentence each."""

    def requests(self) -> Requests:
        """Yield the requests."""
        cut = Cut(self.page_size)
        self.order = DescendingOrder(0, settings.LAG_SECONDS)
        self.listing = Listing(cut, self.first_page, self.order)
        self.is_refused = self.is_sorted = False
        received = yield from self._first(cut)
        self.listing.add(received)
        if not self.listing.pages:
            return
        received = yield PageRequest(self.first_page + 1, *cut, may_fail=True)
        self.is_same = self.listing.comes_again(received.page)
        self.listing.add(received)
        self.is_refused = self._refuses_size(self.listing, received)
        received = yield PageRequest(self.first_page, self.page_size, "asc", may_fail=True)
        self.is_sorted = is_other_end(received.page, self.listing)
        self.last = yield PageRequest(self.first_page + FAR_AWAY, *cut, may_fail=True)

    def findings(self) -> Iterator[Finding]:
        """Yield what was found."""
        if not self.listing.pages:
            yield "ok", "the list is empty"
            return
        yield self._order()
        yield self._size()
        yield self._end()

    def _order(self) -> Finding:
        if self.order.is_broken:
            return "warning", (
                "the pages are not in the requested order, newest `last_update` first: each run "
                "makes a full sync, as an incremental one would miss changes"
            )
        if self.order.outliers:
            return "warning", f"{self.order.outliers} rows are not in the order of `last_update`"
        return "ok", "the pages descend by `last_update`"

    def _size(self) -> Finding:
        count = self.listing.first_count
        if self.is_same:
            return "warning", (
                f"pages {self.first_page} and {self.first_page + 1} are the same: if the list has "
                f"more rows, set {SECTION} first_page = {self.first_page + 1}"
            )
        if self.is_refused:
            return "warning", (
                f"the API sends {count} rows for a page of {self.page_size}, and could skip some: "
                f"set {SECTION} page_size = {min(count, settings.PAGE_SIZE)}"
            )
        if count != self.page_size:
            return "ok", f"{count} rows, which do not show whether the API keeps to page_size"
        return "ok", f"a page has {count} rows, as requested"

    def _end(self) -> Finding:
        advice = f'set {SECTION} end_of_list = "short_page"'
        if self.last.page.identities() and self.end_of_list == "empty":
            return "failed", (
                f"the API repeats a page past the end of the list, so a run would fail: {advice}"
            )
        if self.last.failure and self.end_of_list == "empty":
            return "warning", (
                f"the API fails on page {self.first_page + FAR_AWAY}; if it also fails right after "
                f"its last page, {advice}"
            )
        if not self.is_sorted:
            return "ok", "the list ends, but the API cannot show that by its oldest rows"
        return "ok", "the list ends, and its oldest rows can prove it"
