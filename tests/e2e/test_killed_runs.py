"""The next run sets right what a killed run left, or one that read while rows moved.

`make test-slow` tries all stages, faults and random histories.
"""

from collections.abc import Iterator

import pytest

from tests.support.convergence.machine import Convergence
from tests.support.convergence.stories import changes, kill_runs, shift_pages

# some stages, each with the number of its events that the run survives
KILLS = [("load", 13), ("removal", 3), ("dbt", 100)]

pytestmark = pytest.mark.usefixtures("shared_parse")


@pytest.fixture
def machine() -> Iterator[Convergence]:
    """A warehouse that was loaded once, and an API whose contacts a test changes."""
    machine = Convergence(max_in_flight=4)
    try:
        machine.good_run([], "incremental", [], stop=True)
        yield machine
    finally:
        machine.teardown()


def test_a_run_may_be_killed_at_any_stage(machine: Convergence) -> None:
    kill_runs(machine, "full", KILLS)


def test_rows_that_move_between_pages_are_not_lost(machine: Convergence) -> None:
    shift_pages(machine, times=1)
    machine.good_run(changes(2), "full", [], stop=True)
