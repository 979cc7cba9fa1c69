"""Warehouses that are made once per test session and copied for each test that starts from them."""

import fcntl
import hashlib
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import duckdb
from dlt.common.versioned_state import compress_state, decompress_state

from extract import settings
from tests.support.builders import Lists
from tests.support.dbt import dbt_in_this_process
from tests.support.elt import SETTINGS
from tests.support.forked import run_in_child


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Let one process at a time make a folder or change what is in it."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_name(f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def made_once(folder: Path, make: Callable[[Path], object]) -> Path:
    """Make a folder that all test workers share, unless one of them has made it.

    Args:
        folder: exists only when it is complete.
        make: makes it under another name.
    """
    with locked(folder):
        if not folder.exists():
            begun = folder.with_name(f"{folder.name}.begun")
            shutil.rmtree(begun, ignore_errors=True)
            make(begun)
            begun.rename(folder)
    return folder


def copy_data(source: Path, target: Path) -> None:
    """Copy a data folder, with its links and permissions."""
    shutil.copytree(source, target, symlinks=True, dirs_exist_ok=True)


def sandbox_run(data_dir: Path, parsed: Path) -> None:
    """Run `elt run` on the sandbox API, with the dashboard, in a child.

    Args:
        data_dir: `[elt] data_dir`.
        parsed: the file of the parsed dbt project.
    """
    environment = {
        **{name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
        **SETTINGS,
        "ELT__DATA_DIR": str(data_dir),
    }
    output = data_dir.with_name(f"{data_dir.name}.output")
    ended = run_in_child(_run, output, parsed, output=output, environment=environment)
    assert ended.exit_code == 0, ended.stderr


def _run(output: Path, parsed: Path) -> int:
    from extract import folder
    from extract.__main__ import main

    sys.path.insert(0, str(settings.ROOT))
    patch.object(folder, "LAST_RUN", output / "last_run").start()
    dbt_in_this_process(output, parsed)
    return main(["run"])


def load_once(
    templates: Path, lists: Lists, url: str, data_dir: Path, load: Callable[[], None]
) -> None:
    """Make the data folder that a first run without models leaves, or copy an earlier one.

    Args:
        templates: a folder that all test workers share.
        lists: what the API lists.
        url: the root of the test's API, to which the warehouse is bound.
        data_dir: the test's data folder.
        load: runs `elt run` without models, in the test's data folder.
    """
    content = json.dumps(lists, sort_keys=True).encode()

    def make(begun: Path) -> None:
        load()
        copy_data(data_dir, begun)
        shutil.rmtree(data_dir)

    template = made_once(templates / hashlib.sha256(content).hexdigest()[:16], make)
    copy_data(template, data_dir)
    bind(data_dir / "warehouse.duckdb", url)


def bind(warehouse: Path, url: str) -> None:
    """Change the API that a warehouse was loaded from."""
    with closing(duckdb.connect(str(warehouse))) as connection:
        for version, packed in connection.execute(
            "select version, state from raw._dlt_pipeline_state"
        ).fetchall():
            state: Any = decompress_state(packed)
            state["sources"][settings.SECTION]["base_url"] = url
            connection.execute(
                "update raw._dlt_pipeline_state set state = ? where version = ?",
                [compress_state(state), version],
            )
