"""Histories that tests of convergence have in common, on any kind of warehouse."""

from collections.abc import Sequence
from typing import Any

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.support.convergence.checks import tally
from tests.support.convergence.faults import FAULTS, MAY_PASS, SAME_PAGE, VIOLATIONS, exit_codes
from tests.support.convergence.machine import Convergence
from tests.support.convergence.process import Kill

Kills = Sequence[tuple[str, int]]  # a stage, and how many of its events a run survives
HISTORIES = 3  # of a seed
STEPS = 8  # at most, in a history; most of them are a run


def changes(number: int) -> list[Any]:
    """Return what happens between two runs: in both resources contacts come, change and leave."""
    return [
        ("add lead", 1, 60, 0),
        ("add lead", 2, 60, 0),
        ("add user", 1, 60, 0),
        ("sign up", number, 60, 0),
        ("rename user", number, 0, 0),
        ("touch", number, 0, 600 * (number % 2)),
        *[("delete", 5 * number, 60, 0)] * (number % 2),
    ]


def kill_runs(machine: Convergence, kind: str, kills: Kills) -> None:
    """Kill runs of a kind at some stages; a good run follows each, and the last one builds."""
    for number, (point, count) in enumerate(kills):
        before = tally[f"killed at {point}"]
        machine.killed_run(changes(number), kind, [], Kill(point, count))
        assert tally[f"killed at {point}"] == before + 1, f"{point} {count} was not reached"
        machine.good_run([("touch", number, 0, 0)], "incremental", [], stop=True)
    machine.good_run(changes(3), "full", [], stop=False)


def try_faults(machine: Convergence, names: Sequence[str] = tuple(FAULTS)) -> None:
    """Let the API fail in many ways, on different pages of both resources."""
    for number, name in enumerate(names):
        resource = ("leads", "users")[number // 2 % 2]
        kind, page = (("incremental", 0), ("full", 1))[number % 2 or name == SAME_PAGE]
        for times in (3, 4) if name in MAY_PASS else (1,):
            before = tally.copy()
            machine.run_with_a_fault(changes(number), kind, [], (name, resource, page, times))
            met = tally - before
            assert met[f"fault: {name}"], f"{name} was not met"
            assert any(
                met[f"fault: {name}, exit code {code or -9}"] for code in exit_codes(name, times, 1)
            )
        if number % 6 == 5:  # what is listed must not drift too far from what was loaded
            machine.good_run([], "incremental", [], stop=True)
    machine.good_run([], "incremental", [], stop=False)


def try_violations(machine: Convergence) -> None:
    """Let the API break its contract in many ways, on both resources."""
    for number, name in enumerate(VIOLATIONS):
        for kind in ("incremental", "full"):
            machine.run_with_a_violation(changes(number), kind, name, ("leads", "users"))
    machine.good_run([], "incremental", [], stop=False)


def shift_pages(machine: Convergence, times: int) -> None:
    """Let rows move between the pages while runs read them."""
    for number in range(times):
        shifts = [(3 * n + number, event) for n, event in enumerate(changes(number))]
        machine.good_run(changes(number), "full", shifts, stop=True)
        machine.good_run([], "incremental", shifts, stop=True)


def disturb(machine: Convergence, resources: Sequence[str]) -> None:
    """Let a resource list nothing, start a second run at once, lose the local state."""
    for name in resources:
        machine.api_lists_nothing(changes(5), name)
    machine.second_run_at_once(changes(6), 0, "users")
    machine.local_state_is_lost(garbage=True)
    machine.good_run([("restore", n, 60, 0) for n in range(3)], "full", [], stop=False)


def try_histories(machine: type[Convergence], number: int, histories: int = HISTORIES) -> None:
    """Try random histories; the same seed number makes the same ones."""
    tally["histories"] = 0  # by which a history chooses how it reads
    profile = settings(
        max_examples=histories,
        stateful_step_count=STEPS,
        phases=[Phase.generate],
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(seed(number)(machine), settings=profile)
