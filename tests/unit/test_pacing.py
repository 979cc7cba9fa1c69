"""The pace of requests under rate limits that the client does not know."""

import math
from itertools import product
from typing import Any

import pytest

from extract.pacing import Pacer
from tests.support.limits import (
    Concurrent,
    FixedWindow,
    Simulation,
    SlidingWindow,
    TokenBucket,
    shortest,
)

CONCURRENCY = (1, 4, 8)  # two endpoints with four requests each
WINDOWS = ((15, 20), (5, 1), (1, 1), (1, 3), (10, 10), (20, 30), (30, 60), (100, 60))
BUCKETS = ((15, 0.75), (5, 5), (60, 1), (1, 1))
LIMITS = [
    *((kind, *window) for kind in (FixedWindow, SlidingWindow) for window in WINDOWS),
    *((TokenBucket, *bucket) for bucket in BUCKETS),
]
# how many requests, how many in flight, and the seconds that each takes
LOADS = [
    *product((100, 350), CONCURRENCY, (0.05, 1.0)),
    (2000, 8, 0.05),
]

of_each_limit = pytest.mark.parametrize(
    ("kind", "most", "per"), LIMITS, ids=[f"{kind.__name__} {a} {b}" for kind, a, b in LIMITS]
)


@of_each_limit
def test_a_limit_is_kept_in_at_most_half_as_long_again_as_it_needs_itself(
    kind: Any, most: int, per: float
) -> None:
    for requests, in_flight, seconds in LOADS:
        simulation = Simulation(kind(most, per), requests, in_flight, seconds)
        least = shortest(kind(most, per), requests, in_flight, seconds)
        taken = simulation.run()
        load = f"{requests} requests of {seconds} s, {in_flight} in flight"
        assert taken <= 1.5 * least, load
        assert simulation.refused <= 0.4 * requests, load


@of_each_limit
def test_the_same_holds_if_others_have_used_the_limit_up_before(
    kind: Any, most: int, per: float
) -> None:
    def used_up() -> Any:
        limit = kind(most, per)
        for _ in range(most):
            limit.accepts(0.0)
        return limit

    for requests, in_flight in product((100, 350), CONCURRENCY):
        taken = Simulation(used_up(), requests, in_flight, 0.05).run()
        assert taken <= 1.5 * shortest(used_up(), requests, in_flight, 0.05)


@of_each_limit
@pytest.mark.parametrize("retry_after", [None, 1], ids=["", "Retry-After 1"])
def test_a_limit_that_counts_refused_requests_lets_all_through_in_the_end(
    kind: Any, most: int, per: float, retry_after: float | None
) -> None:
    for in_flight, seconds in product((1, 8), (0.05, 1.0)):
        Simulation(kind(most, per, True), 120, in_flight, seconds, retry_after).run()


@pytest.mark.parametrize("seconds", [0.05, 1.0])
@pytest.mark.parametrize("most", [1, 2, 3])
def test_a_limit_on_concurrent_requests_lets_all_through_with_few_429s(
    most: int, seconds: float
) -> None:
    simulation = Simulation(Concurrent(most, seconds), 300, 8, seconds)
    simulation.run()
    assert simulation.refused <= 30


class Time:
    """A time that tests set, and the pacer under test."""

    def __init__(self) -> None:
        self.now = 0.0
        self.pacer = Pacer(lambda: self.now)

    def start(self, now: float) -> float:
        """Start a request, which may start now."""
        self.now = now
        assert self.pacer.delay() == 0
        return self.pacer.start()

    def refuse(self, now: float, started: float, retry_after: float | None = None) -> float:
        """Refuse a request, and return the seconds until the next one may start."""
        self.now = now
        self.pacer.refuse(started, retry_after)
        return self.pacer.delay()


@pytest.fixture
def time() -> Time:
    """The time, with a pacer that knows nothing yet."""
    return Time()


def test_without_a_429_every_request_starts_at_once(time: Time) -> None:
    for _ in range(1000):
        time.pacer.accept(time.start(0.0))


def test_429s_of_requests_in_flight_at_the_same_time_count_once(time: Time) -> None:
    first, second, third = (time.start(0.0) for _ in range(3))
    assert time.refuse(0.5, second) == 2
    assert time.refuse(1.0, third) == 1.5
    time.pacer.accept(first)
    assert time.pacer.delay() == 1.5
    assert time.refuse(2.5, time.start(2.5)) == 4


def test_the_longest_retry_after_of_requests_in_flight_counts(time: Time) -> None:
    first, second, third = (time.start(0.0) for _ in range(3))
    assert time.refuse(1.0, first, 10) == 10
    assert time.refuse(2.0, second, 30) == 30
    assert time.refuse(3.0, third, 5) == 29


def test_after_a_429_one_request_alone_is_in_flight_until_its_response(time: Time) -> None:
    time.refuse(0.0, time.start(0.0))
    probe = time.start(2.0)
    assert time.pacer.delay() == math.inf
    time.now = 30.0
    assert time.pacer.delay() == math.inf
    time.pacer.accept(probe)
    assert time.pacer.delay() < math.inf


def test_another_request_follows_at_once_if_that_one_fails_otherwise(time: Time) -> None:
    time.refuse(0.0, time.start(0.0))
    time.pacer.fail(time.start(2.0))
    assert time.refuse(2.0, time.start(2.0)) == 4, "it is still one 429 after the other"


def test_a_late_429_of_a_request_from_before_the_last_one_changes_nothing(time: Time) -> None:
    late, refused = time.start(0.0), time.start(0.0)
    time.refuse(0.1, refused)
    time.pacer.accept(time.start(2.1))
    before = time.pacer.delay()
    assert time.refuse(2.1, late) == before


def test_requests_are_spread_after_a_429_and_later_follow_faster(time: Time) -> None:
    for _ in range(10):
        time.pacer.accept(time.start(0.0))
    time.refuse(0.0, time.start(0.0))
    started = time.start(2.0)
    delays = {}
    while time.now < 60:
        time.pacer.accept(started)
        delays[time.now] = time.pacer.delay()
        started = time.start(time.now + time.pacer.delay())
    early = [delay for now, delay in delays.items() if 2.2 < now < 8]
    late = [delay for now, delay in delays.items() if now > 8.2]
    assert min(early) > 0.1
    assert max(early) == pytest.approx(min(early))
    assert late == sorted(late, reverse=True)
    assert late[-1] < early[0] / 2


def test_an_api_whose_limit_others_have_used_up_is_paced_by_a_later_429_only(time: Time) -> None:
    time.refuse(0.0, time.start(0.0))
    for now in (2.0, 6.0):
        time.refuse(now, time.start(now))
    for _ in range(10):
        time.pacer.accept(time.start(14.0))
    time.refuse(14.0, time.start(14.0))
    time.pacer.accept(time.start(16.0))
    assert 0.1 < time.pacer.delay() < 0.2


def test_how_long_every_request_was_refused_is_counted_from_the_first_429(time: Time) -> None:
    time.pacer.accept(time.start(0.0))
    assert time.pacer.refused_for() == 0
    time.refuse(100.0, time.start(90.0))
    time.refuse(150.0, time.start(110.0))
    assert time.pacer.refused_for() == 50
    time.pacer.accept(time.start(160.0))
    assert time.pacer.refused_for() == 0
