"""After the next good run the warehouse equals the API, whatever happened before.

`make test` tries a few fixed histories, `make soak` new ones for as long as SOAK_MINUTES says.
"""

import os
import random
import time

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.convergence.machine import Convergence, tally

SEEDS = (1, 2)
HISTORIES = 4  # a seed
STEPS = 10  # at most, in a history: most are a run
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
