"""What one listing of an endpoint showed, page after page."""

from array import array
from collections.abc import Hashable, Iterable
from itertools import compress
from math import inf
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from extract.order import MIN_ROWS, DescendingOrder
from extract.plan import Direction, Received
from extract.rows import Page

LEAST_CAP = 10  # rows of a page; no API allows less
MIN_PAGES_OF_A_CYCLE = 20  # before one is looked for


class Cut(NamedTuple):
    """How a listing divides the list into pages."""

    size: int
    direction: Direction = "desc"


class Hashes:
    """Hashes of values, repeated ones included: 8 bytes each, where a set takes 60."""

    def __init__(self) -> None:
        self._hashes = array("q")

    def __len__(self) -> int:
        return len(self._hashes)

    def add(self, values: Iterable[Hashable]) -> None:
        """Add some values."""
        self._hashes.extend(map(hash, values))

    def distinct(self) -> int:
        """Count the values, repeated ones once."""
        return int(pc.count_distinct(self._as_arrow()).as_py())

    def has(self, values: Iterable[Hashable]) -> list[bool]:
        """Return for each of some values whether it was added."""
        hashes = pa.array(list(map(hash, values)), pa.int64())
        return list(pc.is_in(hashes, value_set=self._as_arrow()).to_pylist())

    def _as_arrow(self) -> pa.Array:
        buffer = pa.py_buffer(self._hashes.tobytes())  # an array cannot grow while it is shared
        return pa.Array.from_buffers(pa.int64(), len(self), [None, buffer])


class Listing:
    """The pages of one listing.

    Attributes:
        cut: how it divides the list.
        order: judges the order of the pages; None where nothing depends on it.
        pages: how many had rows; the first had `first_count` of them, `first_page` by identity.
        repeats_first_page: the second page is the first one again.
        keys: of the rows of each page.
        identities: their keys, or where a page has none, hashes of its rows.
        versions: of all rows: what changes with the row.
        began_at: by the clock of the API, in UNIX seconds.
        hidden: keys of rows that changed since the last sync, below those that had not.
        has_gap: new rows followed a page of fewer rows than requested, so others may be between.
        last_page: that had rows.
        end: the number of the page that was requested last.
        has_ended: the list has come to its end.
        failure: of the page that was requested last.
    """

    def __init__(self, cut: Cut, first_page: int, order: DescendingOrder | None) -> None:
        self.cut = cut
        self.order = order
        self.pages = self.first_count = 0
        self.first_keys: frozenset[Hashable] = frozenset()
        self.first_page: list[Hashable] = []
        self.repeats_first_page = False
        self.keys = Hashes()
        self.identities = Hashes()
        self.versions = Hashes()
        self.began_at = inf
        self.hidden: list[Hashable] = []
        self.has_gap = False
        self.last_page: Page | None = None
        self.end = first_page
        self.has_ended = False
        self.failure: Exception | None = None
        self._last_keys: frozenset[Hashable] = frozenset()
        self._times_seen = 0
        self._pages_allowed = MIN_PAGES_OF_A_CYCLE

    def add(self, received: Received) -> None:
        """Add a page; one without rows says nothing."""
        page = received.page
        identities = page.identities()
        if not identities:
            return
        cursors = [cursor for cursor in page.cursors if cursor is not None]
        keys = _keys_of(page)
        if not self.pages:
            self.first_page, self.first_keys = identities, keys
            self.first_count = len(identities)
            self.began_at = min(max(cursors, default=inf), received.sent_at or inf)
        if self.last_page and len(self.last_page.identities()) < self.cut.size:
            self.has_gap |= not all(self.keys.has(page.keys))
        if self.order and self.order.is_passed:
            self.hidden += self._changes(page, self.order.newest_known)
        if self.order and not self.order.is_broken:
            # rows that arrive at the head push others down to the next page
            is_first = [key not in self._last_keys for key in page.keys]
            self.order.add(list(compress(page.cursors, is_first)), self.began_at)
        if self.pages < 3:
            self.repeats_first_page = self.pages == 2 and self._last_keys == self.first_keys
            self.repeats_first_page &= keys != self.first_keys
        self._times_seen = self._times_seen + 1 if keys == self._last_keys else 1
        self._last_keys = keys
        self.last_page = page
        self.pages += 1
        self.keys.add(set(page.keys))  # a row that comes twice on one page hides no other
        self.identities.add(keys)
        self.versions.add(page.versions())

    @property
    def may_be_capped(self) -> bool:
        """Whether its only page may have all rows that the API sends for one."""
        return self.pages == 1 and LEAST_CAP <= self.first_count < self.cut.size

    @property
    def ends_with_old_rows(self) -> bool:
        """Whether the last rows are older than the starting point, and prove an end of the list.

        Rows at the end of a full page can be outliers.
        """
        old = self.order.old_rows if self.order else 0
        is_short = not self.last_page or len(self.last_page.identities()) < self.cut.size
        return old >= MIN_ROWS or (old > 0 and is_short)

    @property
    def is_in_order(self) -> bool:
        """Whether all pages, to the end of the list, are in the order of `last_update`."""
        order = self.order
        return bool(order and self.has_ended and not order.is_broken and not order.outliers)

    @property
    def repeats(self) -> int:
        """How many rows had been listed before."""
        return len(self.keys) - self.keys.distinct()

    @property
    def is_endless(self) -> bool:
        """Whether it looks as if no end would come.

        Three pages in a row had rows of the same keys; or there are twice the pages that the
        distinct rows need, and 20 more.
        """
        if self._times_seen >= 3:
            return True
        if self.pages <= self._pages_allowed:
            return False
        pages_needed = self.pages * self.identities.distinct() / len(self.identities)
        self._pages_allowed = int(2 * pages_needed) + MIN_PAGES_OF_A_CYCLE
        return self.pages > self._pages_allowed

    def _changes(self, page: Page, newest_known: float) -> list[Hashable]:
        """Return the rows of a page that changed since the last sync, and were not listed."""
        changed = [
            key
            for key, cursor in zip(page.keys, page.cursors, strict=True)
            if cursor is not None and cursor > newest_known
        ]
        is_known = self.keys.has(changed) if changed else []
        return [key for key, known in zip(changed, is_known, strict=True) if not known]

    def confirm_hidden(self, received: Received) -> None:
        """Take a page of the head, which shows rows that were pushed down from there."""
        pushed = set(self.hidden if received.failure else received.page.keys)
        self.hidden = [key for key in self.hidden if key not in pushed]

    def comes_again(self, page: Page) -> bool:
        """Return whether a page has the same rows as the one before it."""
        return bool(self.pages) and _keys_of(page) == self._last_keys

    def allow_more(self) -> None:
        """Go on: rows that arrive at the head repeat others."""
        self._times_seen = 0
        self._pages_allowed = self.pages + MIN_PAGES_OF_A_CYCLE

    def is_proof(self, arrived: int, is_other_cut: bool) -> bool:
        """Return whether a listing that repeated no row without a reason has shown all rows.

        Args:
            arrived: rows that came to the head in the meantime. In ascending order, they push
                others past the reader.
            is_other_cut: whether its page size has to be proven.
        """
        has_size = not is_other_cut or self.first_count == self.cut.size or self.pages == 1
        is_still = self.cut.direction == "desc" or not arrived
        return self.has_ended and has_size and is_still and not self.has_gap


def _keys_of(page: Page) -> frozenset[Hashable]:
    """Return the keys of a page's rows; if no row has one, hashes of the rows."""
    return frozenset(page.keys) or frozenset(page.identities())
