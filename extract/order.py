"""Whether the pages of an endpoint descend by `last_update`, and how far a sync must read.

An incremental sync may stop early only on this proof: an API that ignores the requested order shows
its changes anywhere.
"""

from bisect import bisect_right
from collections.abc import Sequence
from operator import ge

# Rows of a page that may stand in the wrong place: pinned ones, or with a wrong clock. Of a page of
# less than 50 rows, a tenth.
MAX_OUTLIERS = 5
OUTLIER_SHARE = 0.1
# rows in order that prove one: fewer are in order by chance
MIN_ROWS = MAX_OUTLIERS + 1


class DescendingOrder:
    """Judges the pages of one listing, one after the other.

    Rows without a cursor prove nothing, and rows that changed since the listing began can be on any
    page. Of the others, the fewest that break the order are outliers. What changed within the
    overlap before the listing began may have been committed late, so these rows are compared
    with those of their own page only.

    Attributes:
        outliers: how many there are.
        is_broken: a page has more of them than it may have; the other pages are not judged.
        is_passed: the pages descend below the starting point, so all others are older.
        old_rows: how many rows below the starting point the last pages end with.

    Args:
        starting_point: the cursor down to which changes are looked for, in UNIX seconds.
        newest_known: the newest cursor of earlier syncs, in UNIX seconds. What lies between the two
            is the overlap.
    """

    def __init__(self, starting_point: float, newest_known: float) -> None:
        self.starting_point = starting_point
        self.newest_known = newest_known
        self.outliers = 0
        self.is_broken = False
        self.is_passed = False
        self.old_rows = 0
        self._has_begun = False
        self._has_news = False
        self._rows_in_order = 0
        self._row_count = 0  # of the largest page
        self._previous: list[float] = []  # cursors of the page before that are compared
        self._outliers_left = 0  # that the page before may still turn out to have

    def add(self, cursors: Sequence[float | None], began_at: float) -> None:
        """Judge the next page.

        Args:
            cursors: of its rows, in UNIX seconds; None where a row has none.
            began_at: when the listing began, by the clock of the API, in UNIX seconds.
        """
        known = [cursor for cursor in cursors if cursor is not None]
        self._has_news |= max(known, default=self.newest_known) > self.newest_known
        is_first, self._has_begun = not self._has_begun, True
        values = [value for value in known if value < began_at or (is_first and value == began_at)]
        in_order = [values[place] for place in longest_descent(values)]
        found = len(values) - len(in_order)
        self._row_count = max(self._row_count, len(cursors))
        allowed = outliers_allowed(self._row_count)
        self.is_broken |= found > allowed
        # an outlier at the end of a page shows on the page after it
        settled_at = began_at - (self.newest_known - self.starting_point)
        settled = [value for value in in_order if value < settled_at]
        border = len(self._previous)
        kept = longest_descent([*self._previous, *settled])
        self._previous = [settled[place - border] for place in kept if place >= border]
        late = border - (len(kept) - len(self._previous))
        across = len(settled) - len(self._previous)
        # one row may be newer than the page before: its last_update can become older concurrently
        allowed = max(allowed, 1)
        self.is_broken |= found + across > allowed or late > self._outliers_left
        self._outliers_left = allowed - found - across
        self.outliers += found + (late + across if late + across > 1 else 0)
        self._rows_in_order += len(values) - found - across - late
        is_passed = not self.is_broken and self._descends_below(in_order)
        self.is_passed = self.is_passed or is_passed

    def _descends_below(self, values: Sequence[float]) -> bool:
        """Return whether the end of a page proves that all later rows are older.

        If nothing changed, an old row does; else a whole page of them, and more than could be
        outliers.
        """
        old = 0
        while old < len(values) and values[-1 - old] < self.starting_point:
            old += 1
        is_whole = old == len(values)
        self.old_rows = old + self.old_rows * is_whole
        is_tie = self._row_count > 1 and bool(values) and values[0] == values[-1]
        is_proof = is_whole and self.old_rows >= MIN_ROWS if self._has_news else True
        return bool(old) and is_proof and self._rows_in_order >= MIN_ROWS and not is_tie


def outliers_allowed(row_count: int) -> int:
    """Return how many rows of a page may stand in the wrong place."""
    return min(MAX_OUTLIERS, int(row_count * OUTLIER_SHARE))


def ascends(cursors: Sequence[float]) -> bool:
    """Return whether a page, some outliers aside, ascends by `last_update`."""
    outliers = len(cursors) - len(longest_descent(cursors[::-1]))
    return outliers <= outliers_allowed(len(cursors))


def longest_descent(values: Sequence[float]) -> list[int]:
    """Return the places of the most values that descend, equal ones included, in their order."""
    if all(map(ge, values, values[1:])):
        return list(range(len(values)))
    ends: list[float] = []  # of the best descent of each length its last value, negated
    places: list[int] = []  # of these values
    before: list[int] = []  # for each value, the place of the one before it in its descent
    for place, value in enumerate(values):
        length = bisect_right(ends, -value)
        before.append(places[length - 1] if length else -1)
        ends[length : length + 1] = [-value]
        places[length : length + 1] = [place]
    descent = []
    place = places[-1] if places else -1
    while place >= 0:
        descent.append(place)
        place = before[place]
    return descent[::-1]
