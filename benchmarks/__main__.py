"""The benchmark's command line: `python -m benchmarks [--runs 3] [scenario ...]`."""

import argparse
import logging
import signal
import sys
import tempfile
from pathlib import Path

from benchmarks import loading, report, running
from benchmarks.bench import Bench
from benchmarks.measure import CommandError
from extract import settings

SCENARIOS = {
    "cpu": loading.cpu,
    "wire": loading.wire,
    "requests": loading.requests,
    "unchanged": running.unchanged,
    "memory": running.memory,
    "million": running.million,
    "rate": loading.rate,
}
TIMEOUT = 4 * 3600  # seconds; all scenarios take an hour or two on two cores
logger = logging.getLogger("benchmark")


def main() -> None:
    """Run scenarios, print and keep what they find."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("scenarios", nargs="*", metavar="scenario", help=", ".join(SCENARIOS))
    parser.add_argument("--runs", type=int, default=3, help="to take medians of (default: 3)")
    parser.add_argument(
        "--memory-rows",
        type=int,
        default=2_000_000,
        help="rows of each list where memory is measured at its largest (default: 2000000)",
    )
    parser.add_argument(
        "--out", type=Path, default=settings.ROOT / "docs", help="folder of the report"
    )
    options = parser.parse_args()
    if unknown := set(options.scenarios) - SCENARIOS.keys():
        parser.error(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(SCENARIOS)}")
    logging.basicConfig(format="%(asctime)s %(message)s", datefmt="%H:%M:%S", level=logging.INFO)
    for ending in (signal.SIGTERM, signal.SIGALRM):  # an exception removes the folder
        signal.signal(ending, lambda number, _: sys.exit(f"Stopped: {signal.strsignal(number)}."))
    signal.alarm(TIMEOUT)
    scenarios = options.scenarios or list(SCENARIOS)
    if sys.platform != "linux":
        logger.warning("Memory is measured on Linux only; the scenario memory is left out.")
        scenarios = [scenario for scenario in scenarios if scenario != "memory"]
    with tempfile.TemporaryDirectory(prefix="benchmark-") as name:
        bench = Bench(Path(name), options.runs, options.memory_rows, logger.info)
        for scenario in scenarios:
            logger.info("scenario %s", scenario)
            try:
                outcome = SCENARIOS[scenario](bench)
            except CommandError as error:
                sys.exit(f"{scenario}: {error}")
            sys.stdout.write("\n".join(["", *report.lines(outcome), "", ""]))
            sys.stdout.flush()
            size = f" --memory-rows {options.memory_rows}" if scenario == "memory" else ""
            command = f'make bench SCENARIOS="{scenario}{size}" RUNS={options.runs}'
            report.keep(options.out, list(SCENARIOS), scenario, command, outcome)


if __name__ == "__main__":
    main()
