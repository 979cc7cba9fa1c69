"""The requests of one sync of an endpoint, and what they prove.

An incremental sync lists from the newest row down to its starting point. A full sync lists all
rows, and then looks for those that the listing missed:

    at the other end  the first page in ascending order, as an empty page is no proof of the end
    at the head       the newest pages once more, as rows move there while pages are read
    in another cut    all pages in another size or direction, if rows were repeated without a
                      reason: where many rows share one `last_update`, their order can change from
                      page to page, and a row hides for each one that is repeated
"""

from collections.abc import Generator, Hashable
from dataclasses import dataclass
from operator import or_
from typing import NamedTuple

from extract import settings
from extract.errors import ApiError
from extract.list_plan import SECTION, ListPlan
from extract.listing import Cut, Hashes, Listing
from extract.order import DescendingOrder, ascends
from extract.plan import PageRequest, Received, Requests
from extract.rows import Page

MAX_LISTINGS = 4  # of one full sync
END_PAGES = 5  # at most, in which the last row is looked for
MAX_PAGE_SIZE = 100  # rows; APIs seldom allow more


class StartingPoint(NamedTuple):
    """Where earlier syncs ended: their newest cursor, and the overlap, in (UNIX) seconds."""

    newest_known: float
    lag: float


@dataclass
class Outcome:
    """What one sync of an endpoint proved.

    Attributes:
        is_complete: all rows were listed, so one that was not is deleted.
        is_up_to_date: all rows that changed since the last sync were listed.
        is_in_order: a full sync found all pages in the order of `last_update`.
        is_misordered: the pages of an incremental sync do not descend by `last_update`.
        has_ended: an incremental sync came to the end of the list before it met an old row.
        outliers: rows in the wrong place.
        hidden_changes: changes that only the full sync found, as they were listed below old rows.
        has_gap: pages had fewer rows than requested, although others followed.
        unexplained_repeats: rows that were listed twice although none had moved.
        repeats_first_page: they are those of the first page, which has two numbers.
        rows_listed: distinct rows of the last listing.
        rows_found: rows at the end of the list that the last listing had missed.
        is_truncated: the list ends before rows that the API still lists.
        page_size: rows of a page, where the API refuses the configured number.
        failure: why a full sync did not come to its end, at the page `failed_at`.
    """

    is_complete: bool = False
    is_up_to_date: bool = False
    is_in_order: bool = False
    is_misordered: bool = False
    has_ended: bool = False
    outliers: int = 0
    hidden_changes: int = 0
    has_gap: bool = False
    unexplained_repeats: int = 0
    repeats_first_page: bool = False
    rows_listed: int = 0
    rows_found: int = 0
    is_truncated: bool = False
    page_size: int | None = None
    failure: Exception | None = None
    failed_at: str = ""

    @property
    def is_sorted(self) -> bool | None:
        """Whether the list is sorted by `last_update`; None where that is not known."""
        if self.hidden_changes:
            return False
        return True if self.is_in_order else None


class SyncPlan(ListPlan):
    """The requests of one sync of an endpoint.

    Args:
        name: the endpoint's.
        page_size: rows of a page.
        first_page: the number of the first page.
        end_of_list: "empty" or "short_page", see `ListPlan`.
        is_full: list all rows.
        start: where earlier syncs ended; None if there was none.
    """

    def __init__(
        self,
        name: str,
        page_size: int,
        first_page: int,
        end_of_list: settings.EndOfList,
        is_full: bool,
        start: StartingPoint | None,
    ) -> None:
        super().__init__(name, page_size, first_page, end_of_list)
        self.start = start
        self.lists_all = is_full or not start
        self.outcome = Outcome()

    def requests(self) -> Requests:
        """Yield the requests of an incremental or a full sync."""
        if self.start and not self.lists_all:
            yield from self._incremental(_order(self.start))
        else:
            yield from self._full()
        self.outcome.is_up_to_date = self.is_up_to_date
        self.outcome.page_size = self.new_page_size

    def _incremental(self, order: DescendingOrder) -> Requests:
        listing = yield from self.list_pages(Cut(self.page_size), order)
        order = listing.order or order
        self.outcome.outliers = order.outliers
        self.outcome.is_misordered = order.is_broken
        self.outcome.has_ended = listing.has_ended and not listing.ends_with_old_rows
        if repeats := listing.repeats:
            arrived = yield from self.read_head(listing)
            self.outcome.unexplained_repeats = max(0, repeats - len(arrived))
        self.outcome.has_gap = listing.has_gap
        self.is_up_to_date = not order.is_broken

    def _full(self) -> Requests:
        cut = early_ends = 0
        unexplained: list[int] = []
        for number in range(MAX_LISTINGS):
            order = _order(self.start) if self.start and not number else None
            listing = yield from self.list_pages(self._cuts()[cut], order)
            if listing.failure and cut == 0:
                self.outcome.failure = listing.failure
                self.outcome.failed_at = yield from self._describe_end(listing)
                return
            ends_early = yield from self._read_end(listing)
            arrived = len((yield from self.read_head(listing)))
            if order:
                self.outcome.is_in_order = listing.is_in_order
                self.outcome.hidden_changes = len(listing.hidden)
            self.outcome.rows_listed = listing.keys.distinct()
            repeats = listing.repeats - arrived
            self.outcome.repeats_first_page = listing.repeats_first_page
            if ends_early and listing.may_be_capped and self.uses_smaller_pages(listing):
                continue
            if ends_early:
                early_ends += 1
                if early_ends == 2:
                    self.outcome.is_truncated = True
                    return
            elif repeats <= 0 and listing.is_proof(arrived, is_other_cut=cut > 0):
                self.outcome.is_complete = self.is_up_to_date = True
                return
            else:
                unexplained += [repeats] if repeats > 0 else []
                cut += 1
        self.is_up_to_date = True
        self.outcome.has_gap = not unexplained
        self.outcome.unexplained_repeats = min(unexplained, default=0)

    def _first(self, cut: Cut) -> Generator[PageRequest, Received, Received]:
        """Request the first page, and make sure that it is the first.

        Raises:
            ApiError: the page before it has other rows.
        """
        received = yield from super()._first(cut)
        may_begin_before = cut == Cut(self.page_size) and self._may_begin_before(received.page)
        if received.failure or not may_begin_before:
            return received
        before = (yield PageRequest(self.first_page - 1, *cut, may_fail=True)).page
        self.page = before.only([])
        if not before.keys or {*before.keys} & {*received.page.keys}:
            return received
        received = yield PageRequest(self.first_page, *cut)  # all of its rows may have just arrived
        if {*before.keys} & {*received.page.keys}:
            return received
        raise ApiError(
            f"Page {self.first_page - 1} of {self.name} has rows that page {self.first_page} does "
            "not have. Nothing was loaded, as rows would be missing. Set "
            f"{SECTION} first_page = {self.first_page - 1}."
        )

    def _may_begin_before(self, page: Page) -> bool:
        """Return whether the list may have newer rows than those of its first page."""
        newest = max((cursor for cursor in page.cursors if cursor is not None), default=0.0)
        return self.first_page > 0 and (not self.start or newest != self.start.newest_known)

    def _cuts(self) -> list[Cut]:
        size = self.page_size
        other = 2 * size if 2 * size <= MAX_PAGE_SIZE else size // 2
        return [Cut(size), Cut(other), Cut(size, "asc"), Cut(other, "asc")]

    def _read_end(self, listing: Listing) -> Generator[PageRequest, Received, bool]:
        """Look at the other end for rows that a listing missed, and pass on those found.

        Returns:
            Whether the listing ended before rows that the API still lists.
        """
        if not listing.has_ended or listing.cut.direction == "asc":
            return False
        found = Hashes()
        oldest: Hashable = None
        begin = number = self.first_page
        last_undated = begin + END_PAGES
        while True:
            page = (yield PageRequest(number, listing.cut.size, "asc", may_fail=True)).page
            is_undated = page.keys and not has_cursor(page)
            if is_undated and page.identities() != listing.first_page and begin < last_undated:
                self.page = page.only([])
                begin = number = number + 1
                continue
            if number == begin and not is_other_end(page, listing):
                self.page = page.only([])
                return (yield from self._read_beyond(listing))
            is_old = _is_old(page, listing)
            is_known = map(or_, listing.keys.has(page.keys), found.has(page.keys))
            missed = [old and not known for old, known in zip(is_old, is_known, strict=True)]
            self.page = page.only(missed)
            if not any(missed):
                break
            if number == begin and missed[is_old.index(True)]:
                oldest = page.keys[is_old.index(True)]
            found.add(self.page.keys)
            number += 1
        self.outcome.rows_found = len(found)
        return oldest is not None and (yield from self._ends_before(oldest, listing, begin))

    def _read_beyond(self, listing: Listing) -> Generator[PageRequest, Received, bool]:
        """Look beyond the end for rows, if the API cannot show the other end.

        Returns:
            Whether there are any.
        """
        number, size = listing.end + 1, listing.cut.size
        if listing.may_be_capped:
            number, size = self.first_page + 1, listing.first_count
        found: list[Hashable] = []
        while listing.pages:
            page = (yield PageRequest(number, size, may_fail=True)).page
            is_known = listing.keys.has(page.keys)
            is_new = [cursor is not None and cursor > listing.began_at for cursor in page.cursors]
            missed = [
                not new and not known and key not in found[-size:]
                for key, new, known in zip(page.keys, is_new, is_known, strict=True)
            ]
            self.page = page.only(missed)
            if not any(missed):
                break
            found += self.page.keys
            number += 1
        self.outcome.rows_found = len(found)
        if found and size != listing.cut.size:
            page = (yield PageRequest(self.first_page, *listing.cut, may_fail=True)).page
            return found[0] not in page.keys  # else it came in the meantime
        return bool(found)

    def _ends_before(
        self, key: Hashable, listing: Listing, begin: int
    ) -> Generator[PageRequest, Received, bool]:
        """Return whether the list ends before its oldest row, which is on the page `begin`.

        It does not if the row moved to the last page, because others left the list, or if it left
        the list itself.
        """
        for number in range(listing.end, max(self.first_page, listing.end - END_PAGES) - 1, -1):
            page = (yield PageRequest(number, *listing.cut, may_fail=True)).page
            if key in page.keys:
                return False
            if has_cursor(page):
                break
        oldest = yield PageRequest(begin, listing.cut.size, "asc", may_fail=True)
        return key in oldest.page.keys

    def _describe_end(self, listing: Listing) -> Generator[PageRequest, Received, str]:
        """Return which page a listing failed at, and the contacts around it."""
        following = yield PageRequest(listing.end + 1, *listing.cut, may_fail=True)
        around = []
        if listing.last_page and (ids := listing.last_page.contact_ids()):
            around.append(f"after the contact {ids[-1]}")
        if ids := following.page.contact_ids():
            around.append(f"before the contact {ids[0]}")
        return f"page {listing.end} of {self.name} ({' and '.join(around)})"


def _order(start: StartingPoint) -> DescendingOrder:
    return DescendingOrder(start.newest_known - start.lag, start.newest_known)


def _is_old(page: Page, listing: Listing) -> list[bool]:
    """Return for each row whether it has not changed since a listing began."""
    return [cursor is not None and cursor <= listing.began_at for cursor in page.cursors]


def has_cursor(page: Page) -> bool:
    """Return whether a page has a row with a cursor."""
    return any(cursor is not None for cursor in page.cursors)


def is_other_end(page: Page, listing: Listing) -> bool:
    """Return whether a page is the first one in ascending order.

    It is not if it equals the first page of the listing: the API ignores the direction.
    """
    cursors = [cursor for cursor in page.cursors if cursor and cursor <= listing.began_at]
    return bool(cursors) and page.identities() != listing.first_page and ascends(cursors)
