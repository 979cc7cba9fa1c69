"""APIs with rate limits, simulated: no server, and time that passes in steps."""

import heapq
import math
from collections import deque
from collections.abc import Callable
from functools import partial
from itertools import count
from typing import Protocol

from extract.pacing import Pacer

NETWORK = 0.01  # seconds from the client to the API


class Limit(Protocol):
    """How an API limits its requests."""

    def accepts(self, now: float) -> bool:
        """Decide about a request that arrives."""

    def opens(self, now: float) -> float:
        """Return when the next request would be accepted."""


class FixedWindow:
    """So many requests within each window of some seconds; the first request opens the first."""

    def __init__(self, most: int, seconds: float, counts_refused: bool = False) -> None:
        self.most, self.seconds, self.counts_refused = most, seconds, counts_refused
        self._end, self._requests = -math.inf, 0

    def accepts(self, now: float) -> bool:
        """Decide about a request that arrives."""
        while now >= self._end:
            self._end = (now if self._end < 0 else self._end) + self.seconds
            self._requests = 0
        is_accepted = self._requests < self.most
        self._requests += is_accepted or self.counts_refused
        return is_accepted

    def opens(self, now: float) -> float:
        """Return when the next request would be accepted."""
        return now if self._requests < self.most else max(now, self._end)


class SlidingWindow:
    """So many requests within any period of some seconds."""

    def __init__(self, most: int, seconds: float, counts_refused: bool = False) -> None:
        self.seconds, self.counts_refused = seconds, counts_refused
        self._requests: deque[float] = deque(maxlen=most)

    def accepts(self, now: float) -> bool:
        """Decide about a request that arrives."""
        is_accepted = self.opens(now) <= now
        if is_accepted or self.counts_refused:
            self._requests.append(now)
        return is_accepted

    def opens(self, now: float) -> float:
        """Return when the next request would be accepted."""
        is_full = len(self._requests) == self._requests.maxlen
        return max(now, self._requests[0] + self.seconds) if is_full else now


class TokenBucket:
    """A bucket of tokens, of which each request takes one, refilled with so many a second."""

    def __init__(self, capacity: int, refill: float, counts_refused: bool = False) -> None:
        self.capacity, self.refill, self.counts_refused = capacity, refill, counts_refused
        self._tokens, self._at = float(capacity), 0.0

    def accepts(self, now: float) -> bool:
        """Decide about a request that arrives."""
        self._tokens = min(self.capacity, self._tokens + (now - self._at) * self.refill)
        self._at = now
        is_accepted = self._tokens >= 1 - 1e-9
        if is_accepted or self.counts_refused:
            self._tokens = max(self._tokens - 1, 0)
        return is_accepted

    def opens(self, now: float) -> float:
        """Return when the next request would be accepted."""
        return max(now, self._at + (1 - self._tokens) / self.refill)


class Concurrent:
    """So many requests at once, each of which takes some seconds."""

    def __init__(self, most: int, seconds: float) -> None:
        self.most, self.seconds = most, seconds
        self._ends: list[float] = []

    def accepts(self, now: float) -> bool:
        """Decide about a request that arrives."""
        self._ends = [end for end in self._ends if end > now]
        is_accepted = len(self._ends) < self.most
        if is_accepted:
            self._ends.append(now + self.seconds)
        return is_accepted

    def opens(self, now: float) -> float:
        """Return when the next request would be accepted."""
        return now if len(self._ends) < self.most else max(now, min(self._ends))


class Simulation:
    """Sends requests to an API with a limit, at the pace of a `Pacer`.

    Args:
        limit: the API's.
        requests: that must be accepted.
        in_flight: the most at once.
        seconds: that the API takes for a request that it accepts.
        retry_after: that it sends with a 429.
    """

    def __init__(
        self,
        limit: Limit,
        requests: int,
        in_flight: int,
        seconds: float,
        retry_after: float | None = None,
    ) -> None:
        self.limit, self.left, self.free = limit, requests, in_flight
        self.seconds, self.retry_after = seconds, retry_after
        self.now = 0.0
        self.refused = 0
        self.pacer = Pacer(lambda: self.now)
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = count()
        self._wakes_at = -math.inf

    def run(self) -> float:
        """Return the seconds until every request was accepted."""
        self._send()
        while self._events:
            self.now, _, happen = heapq.heappop(self._events)
            happen()
            self._send()
            assert self.pacer.refused_for() < 300
        assert self.left == 0
        return self.now

    def _after(self, seconds: float, happen: Callable[[], None]) -> None:
        heapq.heappush(self._events, (self.now + seconds, next(self._numbers), happen))

    def _send(self) -> None:
        while self.free and self.left:
            delay = self.pacer.delay()
            if delay > 0:
                if delay < math.inf and self._wakes_at <= self.now:
                    self._wakes_at = self.now + delay
                    self._after(delay, lambda: None)
                return
            started = self.pacer.start()
            self.free -= 1
            self.left -= 1
            self._after(NETWORK, partial(self._arrive, started))

    def _arrive(self, started: float) -> None:
        if self.limit.accepts(self.now):
            self._after(self.seconds, lambda: self._accept(started))
        else:
            self._after(NETWORK, lambda: self._refuse(started))

    def _accept(self, started: float) -> None:
        self.free += 1
        self.pacer.accept(started)

    def _refuse(self, started: float) -> None:
        self.free += 1
        self.left += 1
        self.refused += 1
        self.pacer.refuse(started, self.retry_after)


def shortest(limit: Limit, requests: int, in_flight: int, seconds: float) -> float:
    """Return the seconds that the limit needs if each request comes as early as it may."""
    ends = [0.0] * in_flight
    now = 0.0
    for _ in range(requests):
        now = max(now, heapq.heappop(ends))
        while (opens := limit.opens(now)) > now:
            now = opens
        assert limit.accepts(now)
        heapq.heappush(ends, now + seconds)
    return max(ends)
