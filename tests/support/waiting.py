"""Waits of requests that take no time."""

import threading

from extract.pacing import Clock


class SkippedWaits:
    """The time as a `Clock` has it, which passes only while a request waits, and then at once."""

    def __init__(self) -> None:
        self.seconds: list[float] = []  # of each wait
        self._now = 0.0
        self._changing = threading.Lock()

    def now(self, _: Clock) -> float:
        """Replace `Clock.now`."""
        return self._now

    def wait(self, _: Clock, seconds: float, ended: threading.Event) -> None:
        """Replace `Clock.wait`."""
        with self._changing:
            self.seconds.append(seconds)
            self._now += seconds
