"""Published versions on the disk: what readers see of them, and publications that are killed."""

import multiprocessing
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb

from extract.folder import Folder
from publish import marts, versions
from publish.publication import publish

# files that readers open
PLACES = ("contacts.duckdb", "parquet/dim_leads.parquet", "parquet/fct_loads.parquet")
# every function with which a publication changes something on the disk
STEPS: list[tuple[Any, str]] = [
    (marts, "_copy"),
    (marts, "write_published"),
    (versions, "share"),
    (versions, "to_disk"),
    (versions, "_remove"),
    (shutil, "rmtree"),
    (Path, "rename"),
    (Path, "replace"),
    (Path, "symlink_to"),
    (Path, "unlink"),
]
FORK = multiprocessing.get_context("fork")
IsTime = Callable[[str, bool], bool]


def seen(folder: Folder) -> set[Any]:
    """Return the numbers that readers of any file see; of a whole version, one."""
    contacts, *files = (folder.path / place for place in PLACES)
    tables = ["dim_leads", "fct_loads", *(f"'{file}'" for file in files)]
    with duckdb.connect(str(contacts), read_only=True) as reader:
        return {
            number
            for table in tables
            for (number,) in reader.sql(f"select distinct number from {table}").fetchall()
        }


def names(folder: Folder) -> list[str]:
    """Return the names of what is in the folder of the versions."""
    return sorted(path.name for path in (folder.path / "published").iterdir())


def publish_and_die(folder: Folder, is_time: IsTime) -> bool:
    """Publish in a fork of this process, which kills itself.

    Args:
        folder: the data folder.
        is_time: whether to kill it, by the name of a step, and whether that step is done; called
            before and after each of `STEPS`.

    Returns:
        Whether it was killed before the publication ended.
    """

    def publish_in_fork() -> None:
        for owner, name in STEPS:
            setattr(owner, name, _dying(name, getattr(owner, name), is_time))
        publish(folder)
        os._exit(0)

    process = FORK.Process(target=publish_in_fork)
    process.start()
    process.join(60)
    assert process.exitcode in (0, -signal.SIGKILL)
    return process.exitcode != 0


def _dying(name: str, step: Callable[..., Any], is_time: IsTime) -> Callable[..., Any]:
    def take_step(*args: Any, **kwargs: Any) -> Any:
        if is_time(name, False):
            os.kill(os.getpid(), signal.SIGKILL)
        result = step(*args, **kwargs)
        if is_time(name, True):
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    return take_step
