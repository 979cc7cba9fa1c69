"""After the next good run the warehouse equals the API, whatever happened before.

Every fault, every stage at which a run can be killed, and a few random histories, which are always
the same. `make soak` tries new ones for SOAK_MINUTES.
"""

import os
import random
import time
from collections.abc import Iterator

import pytest

from tests.support.convergence.checks import tally
from tests.support.convergence.machine import Convergence
from tests.support.convergence.stories import (
    HISTORIES,
    Kills,
    changes,
    disturb,
    kill_runs,
    shift_pages,
    try_faults,
    try_histories,
    try_violations,
)

SEEDS = (1, 2)
KILLS: dict[str, Kills] = {
    "full": [
        ("page", 2), ("page", 8), ("normalize", 1), ("normalize", 3), ("load", 1), ("load", 13),
        ("load", 30), ("removal", 1), ("removal", 3), ("note", 3), ("dbt", 100), ("dbt", 600),
        ("publish", 10),
    ],
    "incremental": [("page", 1), ("load", 5), ("load", 13), ("note", 5), ("models", 1),
        ("publish", 1), ("publish", 19),
    ],
}  # fmt: skip

pytestmark = pytest.mark.usefixtures("shared_parse")


@pytest.fixture(params=[1, 4], ids=["sequential", "prefetching"])
def machine(request: pytest.FixtureRequest) -> Iterator[Convergence]:
    """A warehouse that was loaded once, and an API whose contacts a test changes."""
    machine = Convergence(request.param)
    try:
        machine.good_run([], "incremental", [], stop=True)
        yield machine
    finally:
        machine.teardown()


@pytest.mark.parametrize("kind", KILLS)
def test_a_run_may_be_killed_at_any_stage(machine: Convergence, kind: str) -> None:
    kill_runs(machine, kind, KILLS[kind])


def test_every_fault_fails_a_run_or_is_overcome(machine: Convergence) -> None:
    try_faults(machine)


def test_every_breach_of_the_contract_is_noticed_or_overcome(machine: Convergence) -> None:
    try_violations(machine)


def test_pages_shift_while_they_are_read(machine: Convergence) -> None:
    """In full syncs, of which the second and third read again what the first one missed."""
    for page in (1, 2):
        machine.good_run([("add lead", number, 60, 0) for number in range(1, 4)], "full", [], True)
        # the first lead leaves, so the first row of this page moves to a page that was read before
        listed = [contact for contact in machine.contacts.everyone if contact.listed]
        leads = machine.contacts.listed("leads")
        first = listed.index(max(leads, key=lambda lead: lead.changed_at))
        deletion = (2 * page, ("delete", first, 0, 0))
        machine.good_run([], "full", [deletion], stop=True)
    shift_pages(machine, times=3)
    machine.good_run(changes(9), "incremental", [], stop=False)
    disturb(machine, ("leads", "users"))


@pytest.mark.parametrize("number", SEEDS)
def test_the_warehouse_converges_to_the_api(number: int) -> None:
    before = tally["runs"]
    try_histories(Convergence, number)
    assert tally["runs"] - before >= HISTORIES


@pytest.mark.soak
def test_soak(capsys: pytest.CaptureFixture[str]) -> None:
    minutes = float(os.environ.get("SOAK_MINUTES", "60"))
    begun = time.monotonic()
    while time.monotonic() - begun < minutes * 60:
        number = random.SystemRandom().randrange(2**32)
        with capsys.disabled():
            print(f"\nseed {number} ", end="", flush=True)
        try_histories(Convergence, number)
        with capsys.disabled():
            print(", ".join(f"{count} {what}" for what, count in sorted(tally.items())), flush=True)
