"""Keeps what was found in `benchmark.json`, and tells it in `benchmark.md` and `benchmark.svg`.

A scenario replaces what it found before; the others stay, each with the day and the versions of its
own.
"""

import json
import os
import platform
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import altair as alt

from benchmarks.outcome import Bar, Goal, Outcome

PACKAGES = ("dlt", "dbt-core", "dbt-duckdb", "duckdb", "pyarrow")
WIDTH = 420  # pixels of the longest bar


def keep(folder: Path, order: Sequence[str], scenario: str, command: str, outcome: Outcome) -> None:
    """Add the results of a scenario, and write all files again.

    Args:
        folder: where the files are.
        order: names of all scenarios, as the page has them.
        scenario: its name.
        command: that measured it.
        outcome: what it found.
    """
    folder.mkdir(parents=True, exist_ok=True)
    kept = folder / "benchmark.json"
    found = json.loads(kept.read_text()) if kept.exists() else {}
    found[scenario] = asdict(outcome) | {"command": command, "setting": _setting()}
    found = {name: found[name] for name in order if name in found}
    kept.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")
    (folder / "benchmark.md").write_text("\n".join(_page(found)) + "\n")
    bars = [Bar(**bar) for entry in found.values() for bar in entry["bars"]]
    if bars:
        _picture(bars).save(str(folder / "benchmark.svg"))


def lines(outcome: Outcome | dict[str, Any]) -> Iterator[str]:
    """Yield what a scenario found, as Markdown."""
    entry = asdict(outcome) if isinstance(outcome, Outcome) else outcome
    yield entry["about"]
    yield ""
    yield from _table(entry["columns"], entry["rows"])
    if entry["notes"]:
        yield ""
        yield from (f"- {note}" for note in entry["notes"])
    if entry["goals"]:
        yield ""
        yield from _goals([Goal(**goal) for goal in entry["goals"]])


def _page(found: dict[str, Any]) -> Iterator[str]:
    yield "# Benchmark"
    yield ""
    yield (
        "Written by `make bench`: contacts-elt beside a loader written by hand for exactly this "
        "API, without safety nets, and beside plain dlt, all of a server on 127.0.0.1 with made-up "
        "contacts. None finds numpy or pandas, which `make install` does not install. Times are "
        "wall times unless CPU is said; CPU and memory are those of a command and all processes "
        "that it starts."
    )
    yield ""
    yield "![The figures](benchmark.svg)"
    for scenario, entry in found.items():
        yield ""
        yield f"## {scenario}"
        yield ""
        yield from lines(entry)
        yield ""
        yield f"`{entry['command']}`: {entry['setting']}."


def _table(columns: list[str], rows: list[list[str]]) -> Iterator[str]:
    yield f"| {' | '.join(columns)} |"
    yield f"|{'---|' + '--:|' * (len(columns) - 1)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"


def _goals(goals: list[Goal]) -> Iterator[str]:
    def figure(value: float, unit: str) -> str:
        return f"{value:,.2f}".rstrip("0").rstrip(".") + (f" {unit}" if unit else "")

    yield from _table(
        ["goal", "at most", "measured", "reached"],
        [
            [
                goal.text,
                figure(goal.limit, goal.unit),
                figure(goal.measured, goal.unit),
                "yes" if goal.is_reached else "**no**",
            ]
            for goal in goals
        ],
    )


def _setting() -> str:
    """Return day, machine and versions."""
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    return (
        f"{datetime.now(UTC):%Y-%m-%d}, {_processor()}, {os.cpu_count()} cores, "
        f"{platform.system()}, Python {platform.python_version()}, {packages}"
    )


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass  # no Linux
    return platform.processor() or platform.machine()


def _picture(bars: list[Bar]) -> alt.VConcatChart:
    panels = list(dict.fromkeys(bar.panel for bar in bars))
    picture: alt.VConcatChart = alt.vconcat(
        *(_panel(title, [bar for bar in bars if bar.panel == title]) for title in panels),
        background="white",
    ).configure_view(stroke=None)
    return picture


def _panel(title: str, bars: list[Bar]) -> alt.LayerChart:
    """Draw a panel's bars, those of contacts-elt in a colour of their own."""
    names = [bar.loader for bar in bars]
    values = [
        {
            "loader": bar.loader,
            "value": bar.value,
            "kind": "other" if bar.loader.startswith(("by hand", "plain")) else "contacts-elt",
        }
        for bar in bars
    ]
    base = alt.Chart({"values": values}, title=alt.Title(title, anchor="start")).encode(
        x=alt.X("value:Q", axis=None),
        y=alt.Y("loader:N", sort=names, title=None, axis=alt.Axis(labelLimit=240, minExtent=200)),
    )
    colours = alt.Scale(domain=["contacts-elt", "other"], range=["#2a6fbb", "#b8bec6"])
    drawn = base.mark_bar().encode(color=alt.Color("kind:N", scale=colours, legend=None))
    told = base.mark_text(align="left", dx=4).encode(text=alt.Text("value:Q", format=",.1f"))
    panel: alt.LayerChart = (drawn + told).properties(width=WIDTH)
    return panel
