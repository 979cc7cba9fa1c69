"""Scenarios of whole runs: extract, load, build and test the models, publish."""

import json
import shutil
from collections import defaultdict
from pathlib import Path

from benchmarks.bench import PLAIN, Bench, Loader, Medians, Run, plain, product
from benchmarks.loading import LARGE, SMALL
from benchmarks.measure import measure
from benchmarks.outcome import Bar, Goal, Outcome, mebibytes
from extract import settings

LEADS, USERS = 550_000, 450_000
CHANGED = 5_000  # rows of each list: 1%
SLOWEST = 8  # dbt nodes to name
WHOLE = product(command="run")


def unchanged(bench: Bench) -> Outcome:
    """A whole run with nothing changed, beside plain dlt on the same dbt project and data."""
    rival = plain("run_all() and test()", "--format parquet --dbt {0}/transform")
    runs: dict[Loader, list[Run]] = defaultdict(list)
    with bench.api(SMALL, SMALL) as api, bench.place() as folder:
        bench.run(WHOLE, api, folder)
        shutil.copy(folder / WHOLE.warehouse, folder / rival.warehouse)
        left_out = shutil.ignore_patterns("target", "logs")
        shutil.copytree(settings.ROOT / "transform", folder / "transform", ignore=left_out)
        bench.run(PLAIN, api, folder)
        bench.run(rival, api, folder)  # from now on dbt has parsed the project before
        for _ in range(bench.runs):
            for loader in (rival, WHOLE):
                runs[loader].append(bench.run(loader, api, folder))
    outcome = Outcome(
        f"A run with nothing changed in {SMALL:,} rows of each list. Plain dlt reads its lists "
        "into tables of its own, in a copy of contacts-elt's warehouse; then dlt's runner runs and "
        "tests contacts-elt's own dbt project there (`run_all()`, which leaves the snapshots out, "
        "and `test()`). contacts-elt also publishes.",
        ["loader", "wall", "CPU", "peak"],
    )
    medians = {loader: Medians.of(runs[loader]) for loader in (rival, WHOLE)}
    for loader, (wall, cpu, peak) in medians.items():
        outcome.rows.append([loader.title, f"{wall:.1f} s", f"{cpu:.1f} s", mebibytes(peak)])
        outcome.bars.append(Bar("A run with nothing changed, s", loader.title, wall))
    of, by = medians[WHOLE], medians[rival]
    outcome.goals = [
        Goal("wall with nothing changed, by that of plain dlt", of.wall / by.wall, 1 / 3),
        Goal("CPU with nothing changed, by that of plain dlt", of.cpu / by.cpu, 1 / 3),
    ]
    return outcome


def memory(bench: Bench) -> Outcome:
    """The peak memory of a first run, and that it does not grow with the lists."""
    large, larger = LARGE, bench.memory_rows
    peaks: dict[int, tuple[float, float, float]] = {}
    for rows in (large, larger):
        with bench.api(rows, rows) as api:
            usage = bench.full(WHOLE, api).usage
        peaks[rows] = (usage.peak_before_dbt, usage.peak_with_dbt, usage.peak_after_dbt)
    outcome = Outcome(
        "The most memory of a first run, of all its processes together (PSS).",
        ["rows of each list", "extract and load", "dbt and its parent", "publish"],
        [[f"{rows:,}", *map(mebibytes, peaks[rows])] for rows in peaks],
    )
    for stage, what, limit in ((0, "extract and load", 400), (1, "dbt and its parent", 600)):
        less, more = peaks[large][stage], peaks[larger][stage]
        grown = Goal(f"peak of {what} at {larger:,} rows, by that at {large:,}", more / less, 1.3)
        outcome.goals += [Goal(f"peak of {what} at {large:,} rows", less, limit, "MiB"), grown]
        panel = f"Peak memory of {what}, MiB"
        outcome.bars += [Bar(panel, f"{rows:,} rows", peaks[rows][stage]) for rows in peaks]
    return outcome


def million(bench: Bench) -> Outcome:
    """A million contacts: the first run, one with nothing changed, one with 1% changed."""
    stages = ("extract", "load", "transform", "publish")
    outcome = Outcome(
        f"{LEADS:,} leads and {USERS:,} users.",
        ["run", "wall", "CPU", "peak", *stages, "requests"],
    )
    with bench.api(LEADS, USERS) as api, bench.place() as folder:
        for title in ("first", "nothing changed", "1% changed"):
            if title == "1% changed":
                api.change(CHANGED)
            usage, stats = bench.run(WHOLE, api, folder)
            durations = json.loads(usage.stdout)["durations"]
            outcome.rows.append(
                [
                    title,
                    f"{usage.wall:.1f} s",
                    f"{usage.cpu:.1f} s",
                    mebibytes(usage.peak),
                    *(f"{durations[stage]:.1f} s" for stage in stages),
                    f"{stats.total:,}",
                ]
            )
            outcome.bars.append(Bar("A run with a million contacts, s", title, usage.wall))
            outcome.notes.append(f"{title}: {_nodes(folder / 'data' / 'dbt')}")
        drawing = product(command="dashboard").command(folder)
        drawn = measure(folder, drawing, api.environment | {"ELT__DATA_DIR": str(folder / "data")})
        outcome.notes.append(f"`elt dashboard`: {drawn.wall:.1f} s, {drawn.cpu:.1f} s CPU")
        outcome.notes.append(_sizes(folder))
    return outcome


def _nodes(folder: Path) -> str:
    """Return the slowest models and tests of the last build."""
    nodes = json.loads((folder / "run_results.json").read_text())["results"]
    slowest = sorted(nodes, key=lambda node: -float(node["execution_time"]))[:SLOWEST]
    tests = [node["execution_time"] for node in nodes if node["unique_id"].startswith("test.")]
    return (
        ", ".join(
            f"{node['unique_id'].split('.')[2]} {node['execution_time']:.1f} s" for node in slowest
        )
        + f"; the {len(tests)} tests added up {sum(tests):.1f} s (some run at once)"
    )


def _sizes(folder: Path) -> str:
    """Return the sizes of the warehouse and of what is published."""
    sizes = {"warehouse": (folder / WHOLE.warehouse).stat().st_size}
    published = list((folder / "data" / "published" / "current").rglob("*.*"))
    for suffix in (".duckdb", ".parquet", ".html"):
        sizes[f"published {suffix}"] = sum(
            path.stat().st_size for path in published if path.suffix == suffix
        )
    return ", ".join(f"{name} {size / 2**20:.1f} MiB" for name, size in sizes.items())
