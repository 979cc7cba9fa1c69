"""The README's recipes, run as they are on the sandbox."""

import csv
import os
import re
import runpy
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from extract import settings

README = (settings.ROOT / "README.md").read_text()
RECIPES = README[README.index("## Query it") : README.index("## Settings")]


@pytest.fixture
def project(sandbox_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder as the project's is after a run."""
    (tmp_path / "data").symlink_to(sandbox_folder.parent)
    (tmp_path / ".venv").symlink_to(sys.prefix)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ELT__DATA_DIR", str(sandbox_folder.parent))
    monkeypatch.setenv("SOURCES__ANALYTICS_API__BASE_URL", "sandbox")
    return tmp_path


@pytest.fixture(scope="module")
def contacts(sandbox_folder: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(str(sandbox_folder / "contacts.duckdb"), read_only=True) as reader:
        yield reader


def one(contacts: duckdb.DuckDBPyConnection, sql: str) -> Any:
    ((value,),) = contacts.sql(sql).fetchall()
    return value


def test_the_recipes_for_python(project: Path, contacts: duckdb.DuckDBPyConnection) -> None:
    blocks = re.findall(r"```python\n(.*?)```", RECIPES, re.DOTALL)
    assert len(blocks) == 2
    recipe = project / "recipe.py"
    recipe.write_text(blocks[0])
    pandas_made = runpy.run_path(str(recipe))
    recipe.write_text(blocks[1])
    polars_made = runpy.run_path(str(recipe))
    leads = one(contacts, "select count(*) from dim_leads where not is_converted")
    assert len(pandas_made["leads"]) == leads
    assert polars_made["contacts"].height == one(contacts, "select count(*) from dim_contacts")
    assert polars_made["daily"].height == one(contacts, "select count(*) from fct_contacts_daily")
    assert polars_made["version"] == one(contacts, "select distinct version from published")


def test_the_recipes_for_the_command_line(
    project: Path, contacts: duckdb.DuckDBPyConnection
) -> None:
    blocks = re.findall(r"```sh\n(.*?)```", RECIPES, re.DOTALL)
    assert len(blocks) == 2
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    for block in blocks:
        ran = subprocess.run(
            ["/bin/sh", "-euc", block],
            env={**os.environ, "PATH": path},
            capture_output=True,
            text=True,
            check=False,
        )
        assert (ran.returncode, ran.stderr) == (0, "")
        assert block is not blocks[0] or "fct_retention_monthly" in ran.stdout
    with (project / "contacts.csv").open(newline="") as file:
        rows = len(list(csv.DictReader(file)))
    assert rows == one(contacts, "select count(*) from dim_contacts")
