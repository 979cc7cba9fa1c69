"""What a command takes: seconds, CPU and memory of its process and all that it starts.

CPU is what the kernel accounts to the process and to the children that it waited for. Memory is
PSS, in which a page that processes share counts once, summed over the process and its descendants
about 20 times a second. It needs Linux; elsewhere it is not measured.
"""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from extract import settings

EVERY = 0.05  # seconds between two samples of memory
SHARE = 0.1  # of a core at most that sampling takes, as large processes are slow to sample
PROC = Path("/proc")
AS_INSTALLED = Path(__file__).with_name("as_installed")  # modules that users do not have
DBT = b"run_dbt_command"  # in the command line of the processes that dlt's runner starts


class Sample(NamedTuple):
    """Memory in MiB at a moment, and whether a dbt process had part in it."""

    at: float
    memory: float
    dbt: bool


@dataclass
class Usage:
    """What a command took: seconds, seconds of CPU, samples of memory; and what it printed."""

    wall: float
    cpu: float
    samples: list[Sample] = field(default_factory=list)
    stdout: str = ""

    @property
    def peak(self) -> float:
        """The most memory, in MiB."""
        return max((sample.memory for sample in self.samples), default=0)

    @property
    def peak_before_dbt(self) -> float:
        """The most memory before the first dbt process, in MiB."""
        first = min((sample.at for sample in self.samples if sample.dbt), default=float("inf"))
        return max((memory for at, memory, _ in self.samples if at < first), default=0)

    @property
    def peak_with_dbt(self) -> float:
        """The most memory while a dbt process ran, its parent included, in MiB."""
        return max((sample.memory for sample in self.samples if sample.dbt), default=0)

    @property
    def peak_after_dbt(self) -> float:
        """The most memory after the last dbt process, in MiB."""
        last = max((sample.at for sample in self.samples if sample.dbt), default=0)
        return max((memory for at, memory, _ in self.samples if at > last), default=0)


class CommandError(Exception):
    """A measured command failed, or loaded something else than it should have."""


def measure(folder: Path, command: Sequence[str], environment: Mapping[str, str]) -> Usage:
    """Run a command in the project's folder.

    Raises:
        CommandError: it failed; says how.
    """
    out, said = folder / "stdout", folder / "stderr"
    started = time.perf_counter()
    with (
        out.open("w") as stdout,
        said.open("w") as stderr,
        subprocess.Popen(
            command,
            env={**os.environ, "PYTHONPATH": str(AS_INSTALLED), **environment},
            cwd=settings.ROOT,
            stdout=stdout,
            stderr=stderr,
            start_new_session=True,
        ) as process,
        _sampled(process.pid) as samples,
    ):
        try:
            _, status, used = os.wait4(process.pid, 0)
        except BaseException:
            os.killpg(process.pid, 9)
            raise
        process.returncode = os.waitstatus_to_exitcode(status)
        wall = time.perf_counter() - started
    if process.returncode:
        told = (out.read_text() + said.read_text())[-4000:]
        raise CommandError(f"{told}\n{' '.join(command)} failed ({process.returncode}).")
    return Usage(wall, used.ru_utime + used.ru_stime, samples, out.read_text())


@contextmanager
def _sampled(pid: int) -> Iterator[list[Sample]]:
    """Yield samples of a process and its descendants, which grow until the block ends."""
    samples: list[Sample] = []
    ended = threading.Event()

    def sample() -> None:
        pause = EVERY
        while not ended.wait(pause):
            begun = time.perf_counter()
            if taken := _sample(pid):
                samples.append(taken)
            pause = max(EVERY, (time.perf_counter() - begun) / SHARE)

    sampler = threading.Thread(target=sample, daemon=True)
    if sys.platform == "linux":
        sampler.start()
    try:
        yield samples
    finally:
        ended.set()
        if sampler.ident:
            sampler.join()


def _sample(pid: int) -> Sample | None:
    below = list(_descendants(pid))
    memory = sum(_memory(process) for process in (pid, *below))
    return Sample(time.perf_counter(), memory, any(map(_is_dbt, below))) if memory else None


def _descendants(pid: int) -> Iterator[int]:
    for children in PROC.glob(f"{pid}/task/*/children"):
        for child in _read(children).split():
            yield int(child)
            yield from _descendants(int(child))


def _memory(pid: int) -> float:
    for line in _read(PROC / str(pid) / "smaps_rollup").splitlines():
        if line.startswith(b"Pss:"):
            return int(line.split()[1]) / 1024
    return 0


def _is_dbt(pid: int) -> bool:
    return DBT in _read(PROC / str(pid) / "cmdline")


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:  # it has ended
        return b""
