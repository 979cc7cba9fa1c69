"""What one listing of an endpoint showed, page after page."""

from array import array
from collections.abc import Hashable, Iterable
from itertools import compress
from math import inf
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from extract.order import DescendingOrder
from extract.plan import Direction, Received
from extract.rows import Page

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

    def update(self, other: "Hashes") -> None:
        """Add the values of others."""
        self._hashes.extend(other._hashes)

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
        pages: how many had rows; the first had `first_count` of them, with `first_keys`.
        repeats_first_page: the second page is the first one again.
        keys: of all rows; for a row without its primary key, a hash of the row.
        versions: of all rows: the key and the cursor, so a row that changed has another one.
        began_at: by the clock of the API, in UNIX seconds.
        oldest: cursor of all rows.
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
        self.repeats_first_page = False
        self.keys = Hashes()
        self.versions = Hashes()
        self.began_at = self.oldest = inf
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
        keys = frozenset(identities)
        if not self.pages:
            self.first_keys, self.first_count = keys, len(identities)
            self.began_at = min(max(cursors, default=inf), received.sent_at or inf)
        if self.order and not self.order.is_passed and not self.order.is_broken:
            # rows that arrive at the head push others down to the next page
            is_first = [key not in self._last_keys for key in page.keys]
            self.order.add(list(compress(page.cursors, is_first)), self.began_at)
        self.repeats_first_page |= self.pages == 1 and keys == self.first_keys
        self._times_seen = self._times_seen + 1 if keys == self._last_keys else 1
        self._last_keys = keys
        self.last_page = page
        self.pages += 1
        self.keys.add(identities)
        self.versions.add(page.versions())
        self.oldest = min([self.oldest, *cursors])

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
        pages_needed = self.pages * self.keys.distinct() / len(self.keys)
        self._pages_allowed = int(2 * pages_needed) + MIN_PAGES_OF_A_CYCLE
        return self.pages > self._pages_allowed

    @property
    def has_turned(self) -> bool:
        """Whether the last page has other rows than the first one."""
        return self._last_keys != self.first_keys

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
        return self.has_ended and has_size and (self.cut.direction == "desc" or not arrived)
