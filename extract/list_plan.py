"""Lists an endpoint page after page, to the end of the list or as far as a sync needs."""

from collections.abc import Generator, Hashable
from itertools import compress

from extract import settings
from extract.errors import ApiError, KeyRefusedError
from extract.listing import Cut, Listing
from extract.order import DescendingOrder
from extract.plan import PageRequest, Plan, Received
from extract.settings import PAGE_SIZE

HEAD_PAGES = 20  # at most, that are read again
SECTION = f"[sources.{settings.SECTION}]"


class ListPlan(Plan):
    """The requests of a listing.

    `page_size` and `new_page_size` become what the API allows, if it refuses the configured one.
    `is_up_to_date` becomes true once all changes are listed.

    Args:
        name: the endpoint's.
        page_size: rows of a page.
        first_page: the number of the first page.
        end_of_list: "empty" ends the list with an empty page only, "short_page" also with a page
            of fewer rows than requested.
    """

    def __init__(
        self, name: str, page_size: int, first_page: int, end_of_list: settings.EndOfList
    ) -> None:
        self.name = name
        self.page_size = page_size
        self.first_page = first_page
        self.end_of_list = end_of_list
        self.lists_all = True  # even once all changes are listed
        self.new_page_size: int | None = None
        self.is_up_to_date = False

    def list_pages(
        self, cut: Cut, order: DescendingOrder | None = None
    ) -> Generator[PageRequest, Received, Listing]:
        """Request one page after the other.

        Args:
            cut: how the list is divided.
            order: judges it. Unless the plan lists all, it stops once the order is broken or
                passed.

        Raises:
            ApiError: no end would ever come, or the first page is none.
        """
        listing = Listing(cut, self.first_page, order)
        received = yield from self._first(cut)
        while True:
            reads_on = self._reads_on(listing, received)
            if self._refuses_size(listing, received) and self.uses_smaller_pages(listing):
                again = order and DescendingOrder(order.starting_point, order.newest_known)
                return (yield from self.list_pages(Cut(self.page_size), again))
            if not reads_on:
                break
            if listing.is_endless and not (yield from self._is_pushed_back(listing)):
                listing.failure = self._endless(listing)
                break
            if self._is_last(listing, received):
                listing.has_ended = True
                break
            listing.end += 1
            may_fail = self._may_fail(cut) or self._may_be_past_the_end(listing)
            received = yield PageRequest(listing.end, *cut, may_fail)
        return listing

    def read_head(self, listing: Listing) -> Generator[PageRequest, Received, list[Hashable]]:
        """Read the newest pages again, until one has no news, and pass the news on.

        Returns:
            The versions of the rows that came or changed since the listing began.
        """
        news: list[Hashable] = []
        for number in range(self.first_page, self.first_page + HEAD_PAGES):
            # the next sync reads these changes, too
            received = yield PageRequest(number, self.page_size, may_fail=self.is_up_to_date)
            page = received.page
            listing.confirm_hidden(received)
            versions = page.versions()
            is_known = listing.versions.has(versions)
            read = set(news)
            is_new = [
                not known and version not in read
                for version, known in zip(versions, is_known, strict=True)
            ]
            self.page = page.only(is_new)
            if all(is_known):
                break
            news += compress(versions, is_new)
        listing.versions.add(news)
        return news

    def _first(self, cut: Cut) -> Generator[PageRequest, Received, Received]:
        """Request the first page, and if it is empty, the next one."""
        request = PageRequest(self.first_page, *cut, self._may_fail(cut))
        received = yield request
        if received.failure or received.page.identities():
            return received
        following = yield PageRequest(self.first_page + 1, *cut, may_fail=True)
        if following.page.identities():
            received = yield request  # it may have been empty once
            if not received.page.identities() and cut == Cut(self.page_size):
                raise ApiError(
                    f"Page {self.first_page} of {self.name} is empty, and page "
                    f"{self.first_page + 1} has rows. Nothing was loaded, as rows would be "
                    f"missing. Set {SECTION} first_page to the number of the first page."
                )
        return received

    def _may_fail(self, cut: Cut) -> bool:
        """Return whether a sync can do without the next page: it is not needed for changes."""
        return self.is_up_to_date or cut != Cut(self.page_size)

    def _may_be_past_the_end(self, listing: Listing) -> bool:
        """Return whether the next page may fail only because the first one was the last."""
        is_short = listing.first_count < listing.cut.size
        return self.end_of_list == "short_page" and listing.pages == 1 and is_short

    def _is_pushed_back(self, listing: Listing) -> Generator[PageRequest, Received, bool]:
        """Return whether pages come again because rows arrive at the head."""
        news = yield from self.read_head(listing)
        listing.allow_more()
        return any(isinstance(version, tuple) for version in news)  # of a row with its key

    def _endless(self, listing: Listing) -> ApiError:
        """Return why a listing would never end.

        Raises:
            ApiError: for this reason, if the sync cannot do without the listing.
        """
        failure = ApiError(
            f"The API sends the same pages of {self.name} again and again, up to page "
            f"{listing.end}, and would never come to an end. Nothing was loaded. If it repeats "
            f'its last page, set {SECTION} end_of_list = "short_page"; if it counts its pages '
            "otherwise, set first_page; else it, a proxy or a cache ignores the parameter "
            "`page`."
        )
        if listing.cut == Cut(self.page_size):
            raise failure
        return failure

    def _reads_on(self, listing: Listing, received: Received) -> bool:
        """Add a page to a listing, and return whether it may need another one."""
        if isinstance(received.failure, KeyRefusedError) and listing.cut.direction == "desc":
            raise received.failure
        if received.failure:
            listing.has_ended = self._may_be_past_the_end(listing)
            listing.failure = None if listing.has_ended else received.failure
            return False
        is_first_page = listing.pages == 1 and listing.first_count >= listing.cut.size
        if self.end_of_list == "short_page" and not is_first_page:
            listing.has_ended = listing.comes_again(received.page)
            if listing.has_ended:  # the API repeats its last page
                return False
        listing.add(received)
        order = listing.order
        self.is_up_to_date |= bool(order and order.is_passed)
        return self.lists_all or not order or not (order.is_broken or order.is_passed)

    def _is_last(self, listing: Listing, received: Received) -> bool:
        """Return whether a page is the end of the list. A short first page can be a cap."""
        row_count = len(received.page.identities())
        is_short = row_count < listing.cut.size and listing.pages > 1
        return not row_count or (self.end_of_list == "short_page" and is_short)

    def uses_smaller_pages(self, listing: Listing) -> bool:
        """Change the page size, once, to what the API sent, and return whether that is possible."""
        size = min(listing.first_count, PAGE_SIZE)
        if self.new_page_size or size == listing.cut.size or listing.cut != Cut(self.page_size):
            return False
        self.page_size = self.new_page_size = size
        return True

    def _refuses_size(self, listing: Listing, received: Received) -> bool:
        """Return whether the API does not send as many rows as requested: it may skip some.

        The second page, which has other rows than the first, shows it.
        """
        return (
            listing.pages == 2
            and listing.first_count != listing.cut.size
            and not set(listing.first_page).issuperset(received.page.identities())
        )
