"""After the next good run the warehouse equals the API, whatever happened before.

`make test` tries every fault and every stage to be killed at, and a few random histories that are
always the same; `make soak` new ones for as long as SOAK_MINUTES says.
"""

import os
import random
import time
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.convergence.checks import tally
from tests.convergence.faults import FAULTS, MAY_PASS, SAME_PAGE
from tests.convergence.machine import Convergence
from tests.convergence.process import Kill

SEEDS = (1, 2)
HISTORIES = 3  # a seed
STEPS = 8  # at most, in a history: most are a run
KILLS = {
    "full": [
        ("page", 2), ("page", 8), ("normalize", 1), ("normalize", 3), ("load", 1), ("load", 13),
        ("load", 30), ("removal", 1), ("removal", 3), ("note", 3), ("dbt", 100), ("dbt", 600),
        ("publish", 10),
    ],
    "incremental": [("page", 1), ("load", 5), ("load", 13), ("note", 5), ("models", 1),
        ("publish", 1), ("publish", 19),
    ],
}  # fmt: skip
PROFILE = settings(
    max_examples=HISTORIES,
    stateful_step_count=STEPS,
    phases=[Phase.generate],
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)


def try_histories(number: int) -> None:
    """Try the histories of a seed; the same number makes the same ones."""
    run_state_machine_as_test(seed(number)(Convergence), settings=PROFILE)


@pytest.fixture(params=[1, 4], ids=["sequential", "read ahead"])
def machine(request: pytest.FixtureRequest) -> Iterator[Convergence]:
    """A history that a test tells, of a warehouse that was loaded once."""
    machine = Convergence(request.param)
    try:
        machine.good_run([], "incremental", [], stop=True)
        yield machine
    finally:
        machine.teardown()


def changes(number: int) -> list[Any]:
    """Return what happens between two runs: in both lists somebody comes, changes and leaves."""
    return [
        ("add lead", 1, 60, 0),
        ("add lead", 2, 60, 0),
        ("add user", 1, 60, 0),
        ("sign up", number, 60, 0),
        ("rename user", number, 0, 0),
        ("touch", number, 0, 600 * (number % 2)),
        *[("delete", 5 * number, 60, 0)] * (number % 2),
    ]


def kill_runs(machine: Convergence, kind: str, kills: Sequence[tuple[str, int]]) -> None:
    """Kill runs of a kind at some points, each followed by a good one; the last builds, too."""
    for number, (point, count) in enumerate(kills):
        before = tally[f"killed at {point}"]
        machine.killed_run(changes(number), kind, [], Kill(point, count))
        assert tally[f"killed at {point}"] == before + 1, f"{point} {count} was not reached"
        machine.good_run([("touch", number, 0, 0)], "incremental", [], stop=True)
    machine.good_run(changes(3), "full", [], stop=False)


@pytest.mark.parametrize("kind", KILLS)
def test_a_run_may_be_killed_at_any_stage(machine: Convergence, kind: str) -> None:
    kill_runs(machine, kind, KILLS[kind])


def test_every_fault_fails_a_run_or_is_got_over(machine: Convergence) -> None:
    for number, name in enumerate(FAULTS):
        resource = ("leads", "users")[number // 2 % 2]
        kind, page = (("incremental", 0), ("full", 1))[number % 2 or name == SAME_PAGE]
        for times in (3, 4) if name in MAY_PASS else (1,):
            before = tally[f"fault: {name}"]
            machine.run_with_a_fault(changes(number), kind, [], (name, resource, page, times))
            assert tally[f"fault: {name}"] == before + 1, f"{name} was not met"
        if number % 6 == 5:  # what is listed must not drift too far from what was loaded
            machine.good_run([], "incremental", [], stop=True)
    machine.good_run([], "incremental", [], stop=False)


def test_pages_shift_while_they_are_read(machine: Convergence) -> None:
    """In full reads, of which the second and the third look again for what the first missed."""
    for page in (1, 2):
        machine.good_run([("add lead", number, 60, 0) for number in range(1, 4)], "full", [], True)
        # the first lead goes, and so the first of this page moves to one that was read already
        listed = [contact for contact in machine.contacts.everyone if contact.listed]
        leads = machine.contacts.listed("leads")
        first = listed.index(max(leads, key=lambda lead: lead.changed_at))
        deletion = (2 * page, ("delete", first, 0, 0))
        machine.good_run([], "full", [deletion], stop=True)
    for number in range(3):
        shifts = [(3 * n + number, event) for n, event in enumerate(changes(number))]
        machine.good_run(changes(number), "full", shifts, stop=True)
        machine.good_run([], "incremental", shifts, stop=True)
    machine.good_run(changes(9), "incremental", [], stop=False)
    for name in ("leads", "users"):
        machine.api_lists_nothing(changes(5), name)
    machine.second_run_at_once(changes(6), 0, "users")
    machine.local_state_is_lost(garbage=True)
    machine.good_run([("restore", n, 60, 0) for n in range(3)], "full", [], stop=False)


@pytest.mark.parametrize("number", SEEDS)
def test_the_warehouse_converges_to_the_api(number: int) -> None:
    before = tally["runs"]
    try_histories(number)
    assert tally["runs"] - before >= HISTORIES


@pytest.mark.soak
def test_soak(capsys: pytest.CaptureFixture[str]) -> None:
    minutes = float(os.environ.get("SOAK_MINUTES", "60"))
    begun = time.monotonic()
    while time.monotonic() - begun < minutes * 60:
        number = random.SystemRandom().randrange(2**32)
        with capsys.disabled():
            print(f"\nseed {number} ", end="", flush=True)
        try_histories(number)
        with capsys.disabled():
            print(", ".join(f"{count} {what}" for what, count in sorted(tally.items())), flush=True)
