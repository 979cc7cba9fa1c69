"""When the next request may start, so that an API with a rate limit accepts it.

Nobody says what the limit is, so the pace is learned. Until a 429 there is no pace. From the first
429 on, no request starts before the wait is over, and then one alone, until one is accepted. The
wait that this took bounds the limit: the requests that were accepted since the start, divided by
the time until now, are no more than the API accepts in the long run; divided by the time until the
last 429, they were too many. The next requests are spread at a rate between the two, which stays
for a while and then increases slowly, up to the next 429: there the same begins with what was
accepted since the last one. If nothing was accepted before the first 429, the limit was used up by
others, which says nothing about it: the next requests have no pace, until they meet a 429.
"""

import threading
import time
from collections.abc import Callable
from math import inf

from extract import settings

BELOW_REFUSED = 0.95  # the new rate is at most this share of the one that was refused
ABOVE_SUSTAINED = 1.8  # and at most so many times the one that includes the waits
# How fast the rate increases depends on the seconds that the bounds come from, the term: an API may
# count requests for as long.
SHORTEST_TERM = 30  # seconds; after a shorter one the rate would meet the next 429 too soon
STAYS = 0.2  # terms until the rate increases
DOUBLES = 1.5  # terms in which it doubles from then on
MOST_DOUBLINGS = 10.0


class Clock:
    """The time, and how to wait. Tests replace both."""

    def now(self) -> float:
        """Return the seconds since some point in time."""
        return time.monotonic()

    def wait(self, seconds: float, ended: threading.Event) -> None:
        """Wait for some seconds, or until an event is set."""
        ended.wait(seconds)


class Pacer:
    """Learns the pace of one API, whose endpoints share one limit, from what the API accepts.

    Each request is reported twice: `start`, and one of `accept`, `refuse` and `fail`, with what
    `start` returned. The caller takes care that one thread at a time does so.

    Args:
        now: returns the time in seconds.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._base = inf  # requests per second, before any increase
        self._term = inf  # seconds
        self._next_start = -inf
        self._refusals = 0  # in succession; those of requests in flight at the same time count once
        self._refused_at = -inf  # when the last refused request started
        self._refused_since = inf  # when the API refused a request, and accepted none since
        self._probe: float | None = None  # start of the only request in flight after a 429
        self._period = inf  # start of the first request that `_accepted` counts
        self._accepted = 0

    def delay(self) -> float:
        """Return the seconds until a request may start; inf until a response is reported."""
        if self._probe is not None:
            return inf
        return max(0.0, self._next_start - self._now())

    def start(self) -> float:
        """Report that a request starts, and return when."""
        now = self._now()
        self._period = min(self._period, now)
        if self._refusals:
            self._probe = now
        else:
            # a request that starts late leaves its time to the next one, but no later one
            self._next_start = max(self._next_start + 1 / self._rate(now), now)
        return now

    def accept(self, started: float) -> None:
        """Report that the API accepted a request."""
        self._refused_since = inf
        if started == self._probe:
            self._resume(started)
        else:
            self._accepted += 1

    def refuse(self, started: float, retry_after: float | None) -> None:
        """Report that the API refused a request with a 429.

        Args:
            started: what `start` returned.
            retry_after: seconds that the API asks to wait, if it does.
        """
        now = self._now()
        if started < self._period:
            return  # it started before an earlier 429, which is over
        self._refused_since = min(self._refused_since, now)
        if not self._refusals or started == self._probe:
            self._refusals += 1
            self._refused_at = started
            self._probe = None
            self._next_start = now + self._wait(retry_after)
        elif retry_after:
            self._next_start = max(self._next_start, now + retry_after)

    def fail(self, started: float) -> None:
        """Report that a request got no response, or one that says nothing about the limit."""
        if started == self._probe:
            self._probe = None

    def forget_refusals(self) -> None:
        """Begin to count `refused_for` from the next 429."""
        self._refused_since = inf

    def refused_for(self) -> float:
        """Return for how many seconds the API has refused every request; 0 if it has not."""
        return max(0.0, self._now() - self._refused_since)

    def _rate(self, now: float) -> float:
        """Return the requests per second that may start."""
        doublings = ((now - self._period) / self._term - STAYS) / DOUBLES
        return self._base * 2 ** min(max(doublings, 0.0), MOST_DOUBLINGS)

    def _wait(self, retry_after: float | None) -> float:
        """Return the seconds to wait after a 429.

        An API whose `Retry-After` is always too short would else get requests that use up its
        limit and are refused: from the second on, waits are at least half the usual ones.
        """
        first, longest = settings.RATE_LIMIT_WAITS
        usual = min(first * 2.0 ** (self._refusals - 1), longest)
        if not retry_after or retry_after <= 0:
            return usual
        return retry_after if self._refusals == 1 else max(retry_after, usual / 2)

    def _resume(self, started: float) -> None:
        """Set the rate, now that a request was accepted after one or more 429s."""
        self._next_start = self._now()
        if self._accepted:
            self._term = max(started - self._period, SHORTEST_TERM)
            # a limit has a whole number of requests: half of one more is unused on average
            sustained = (self._accepted + 0.5) / (started - self._period)
            until_refused = self._refused_at - self._period
            refused = self._accepted / until_refused if until_refused else inf
            self._base = min(BELOW_REFUSED * max(refused, sustained), ABOVE_SUSTAINED * sustained)
            self._next_start = max(started + 1 / self._base, self._next_start)
        self._period, self._accepted = started, 1
        self._refusals, self._probe = 0, None
