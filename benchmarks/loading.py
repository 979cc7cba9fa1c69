"""Scenarios of the stages extract and load."""

from collections import defaultdict

from benchmarks.bench import (
    PLAIN,
    PLAIN_DEFAULT,
    Bench,
    Loader,
    Medians,
    Run,
    floor,
    product,
)
from benchmarks.outcome import Bar, Goal, Outcome, mebibytes

SMALL = 20_000  # rows of each list
LARGE = 200_000
PAGES = 2 * (SMALL // 50 + 1)  # of both lists, with the empty one that ends each
PROOFS = 2 * 3  # requests of a full sync of both lists that prove that it is complete
AHEAD = 8
LATENCIES = (50, 200)  # milliseconds


def cpu(bench: Bench) -> Outcome:
    """CPU per row: what ten times the rows take more, so that starting up does not count."""
    rivals = {1: floor(1), AHEAD: floor(AHEAD)}
    ours = {1: product(1), AHEAD: product(AHEAD)}
    loaders = [*rivals.values(), PLAIN, *ours.values()]
    small: dict[Loader, list[Run]] = defaultdict(list)
    large: dict[Loader, list[Run]] = defaultdict(list)
    with bench.api(SMALL, SMALL) as few, bench.api(LARGE, LARGE) as many:
        for _ in range(bench.runs):
            for loader in loaders:
                small[loader].append(bench.full(loader, few))
                large[loader].append(bench.full(loader, many))
        default = bench.full(PLAIN_DEFAULT, few).usage
    outcome = Outcome(
        f"Extract and load without latency: {SMALL:,} rows of each list, and {LARGE:,}. CPU per "
        "row is the difference of the two by the difference of the rows.",
        ["loader", "CPU per row", f"CPU, {SMALL:,}", f"CPU, {LARGE:,}", f"peak, {LARGE:,}"],
    )
    per_row = {}
    for loader in loaders:
        less, more = Medians.of(small[loader]), Medians.of(large[loader])
        per_row[loader] = (more.cpu - less.cpu) / (2 * (LARGE - SMALL)) * 1e6
        outcome.rows.append(
            [
                loader.title,
                f"{per_row[loader]:.1f} µs",
                f"{less.cpu:.1f} s",
                f"{more.cpu:.1f} s",
                mebibytes(more.peak),
            ]
        )
        outcome.bars.append(Bar("CPU per row, µs", loader.title, per_row[loader]))
    outcome.rows.append(
        [
            PLAIN_DEFAULT.title,
            "",
            f"{default.cpu:.1f} s",
            "",
            f"{mebibytes(default.peak)} at {SMALL:,}",
        ]
    )
    for in_flight, rival in rivals.items():
        outcome.goals.append(
            Goal(
                f"CPU per row, {in_flight} in flight, by that of the loader by hand",
                per_row[ours[in_flight]] / per_row[rival],
                2.0,
            )
        )
    return outcome


def wire(bench: Bench) -> Outcome:
    """Wall time of a full sync when each answer takes a while."""
    rival, ours = floor(AHEAD), product(AHEAD)
    outcome = Outcome(
        f"A full sync of {SMALL:,} rows of each list, {PAGES} pages.",
        ["loader", *(f"{latency} ms an answer" for latency in LATENCIES)],
    )
    once = [PLAIN, product(1)]  # one request after the other takes minutes, always the same
    often = [product(), rival, ours]
    walls: dict[tuple[Loader, int], float] = {}
    with bench.api(SMALL, SMALL) as api:
        for latency in LATENCIES:
            api.behave(latency=latency)
            for loader in once:
                walls[loader, latency] = bench.full(loader, api).usage.wall
            runs: dict[Loader, list[Run]] = defaultdict(list)
            for _ in range(bench.runs):
                for loader in often:
                    runs[loader].append(bench.full(loader, api))
            for loader in often:
                walls[loader, latency] = Medians.of(runs[loader]).wall
    for loader in (*once, *often):
        outcome.rows.append(
            [loader.title, *(f"{walls[loader, latency]:.1f} s" for latency in LATENCIES)]
        )
        slow = LATENCIES[-1]
        panel = f"Full sync at {slow} ms an answer, s"
        outcome.bars.append(Bar(panel, loader.title, walls[loader, slow]))
    for latency in LATENCIES:
        at = f"at {latency} ms, {AHEAD} in flight"
        taken = walls[ours, latency]
        outcome.goals += [
            Goal(f"wall {at}, by that of plain dlt", taken / walls[PLAIN, latency], 1 / 6),
            Goal(f"wall {at}, by that of the loader by hand", taken / walls[rival, latency], 1.5),
        ]
    return outcome


def requests(bench: Bench) -> Outcome:
    """How many requests a full sync, an unchanged and a changed list take."""
    changed = 100
    outcome = Outcome(
        f"Requests for {SMALL:,} rows of each list: a full sync, a rerun with nothing changed, and "
        f"one with {changed} rows of each list changed.",
        ["loader", "full", "unchanged", f"{changed} changed", "most in flight"],
    )
    limits = {1: PAGES + PROOFS, AHEAD: PAGES + PROOFS + 2 * AHEAD}
    for loader, limit in (
        (floor(1), None),
        (floor(AHEAD), None),
        (PLAIN, None),
        *((product(in_flight), limit) for in_flight, limit in limits.items()),
    ):
        with bench.api(SMALL, SMALL) as api, bench.place() as folder:
            api.behave(latency=5)  # without any, requests hardly meet
            full = bench.run(loader, api, folder).stats
            same = bench.run(loader, api, folder).stats
            api.change(changed)
            new = bench.run(loader, api, folder).stats
        figures = (full.total, same.total, new.total, full.most_in_flight)
        outcome.rows.append([loader.title, *(f"{figure:,}" for figure in figures)])
        if limit:
            most = max(new.requests.values())
            outcome.goals += [
                Goal(f"requests of a full sync, {loader.title}", full.total, limit),
                Goal(f"requests with nothing changed, {loader.title}", same.total, 2),
                Goal(f"requests a list with {changed} changed, {loader.title}", most, 5),
            ]
    return outcome


def rate(bench: Bench) -> Outcome:
    """A full sync of an API that answers only so many requests a second."""
    limit = 100
    ours = product(AHEAD)
    with bench.api(SMALL, SMALL) as api:
        api.behave(rate=limit)
        run = bench.full(ours, api)
    refused = run.stats.statuses.get("429", 0)
    return Outcome(
        f"A full sync of {SMALL:,} rows of each list, of an API that answers {limit} requests a "
        "second and refuses others with 429 and `Retry-After: 1`. Every row was loaded.",
        ["loader", "wall", "requests", "refused"],
        [[ours.title, f"{run.usage.wall:.1f} s", f"{run.stats.total:,}", f"{refused:,}"]],
    )
