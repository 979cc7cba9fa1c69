"""dbt by hand: in a copy of the project, so that nothing of a developer's last run is touched."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from extract import settings

DBT = Path(sys.executable).with_name("dbt")
Dbt = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of the dbt project, as a fresh clone has it."""
    ignore = shutil.ignore_patterns("target", "logs")
    return Path(shutil.copytree(settings.ROOT / "transform", tmp_path / "transform", ignore=ignore))


@pytest.fixture
def dbt(project: Path) -> Dbt:
    """Run dbt by hand on the warehouse in a folder."""

    def run(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        link = project / "target" / "last_run"
        link.parent.mkdir(exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to(folder)
        return subprocess.run(
            [str(DBT), "--no-use-colors", *arguments],
            cwd=project,
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def results(target: Path) -> dict[str, dict[str, Any]]:
    """Return the results of the last dbt command by the name of the node, hooks left out."""
    run = json.loads((target / "run_results.json").read_text())

    def name(unique_id: str) -> str:
        kind, _, *names = unique_id.split(".")
        return names[1] if kind == "unit_test" else names[0]

    return {
        name(result["unique_id"]): result
        for result in run["results"]
        if not result["unique_id"].startswith("operation.")
    }
