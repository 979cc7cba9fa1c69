"""The real path: `elt run` as a scheduler starts it, with new interpreters for it and for dbt."""

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from extract import settings
from tests.support.elt import SETTINGS

ELT = Path(sys.executable).with_name("elt")
LAST_RUN = settings.ROOT / "transform" / "target" / "last_run"
# what other tests and tools write while this one runs
NOT_OURS = {".venv", ".git", ".hypothesis", "tests", "target", "__pycache__", "data"}


@pytest.fixture
def last_run() -> Iterator[None]:
    """Put the link to the last run back, which a run of a developer may have left."""
    before = LAST_RUN.readlink() if LAST_RUN.is_symlink() else None
    yield
    LAST_RUN.unlink(missing_ok=True)
    if before:
        LAST_RUN.symlink_to(before)


def files_of_the_project() -> set[Path]:
    """Return all files and folders of the project that no other test writes."""
    found: set[Path] = set()
    for folder, names, files in os.walk(settings.ROOT):
        names[:] = [n for n in names if n not in NOT_OURS and not n.endswith("_cache")]
        found |= {Path(folder, name) for name in (*names, *files)}
    return found


@pytest.mark.usefixtures("last_run")
def test_cron_needs_no_folder_home_or_path_and_nothing_is_written_elsewhere(
    tmp_path: Path,
) -> None:
    home, data_dir, elsewhere = tmp_path / "home", tmp_path / "data", tmp_path / "elsewhere"
    for folder in (home, elsewhere):
        folder.mkdir()
    environment = {
        **SETTINGS,
        "PATH": "/usr/bin:/bin",
        "HOME": str(home),
        "TMPDIR": str(elsewhere),
        "ELT__DATA_DIR": str(data_dir),
        "TZ": "America/New_York",
    }
    dlt_of_root = Path("/var/dlt")
    dlt_before, project_before = dlt_of_root.exists(), files_of_the_project()

    run = subprocess.run(
        [ELT, "run"], cwd="/", env=environment, capture_output=True, text=True, check=False
    )

    assert run.returncode == 0, run.stderr
    assert run.stderr == ""
    assert "published: " in run.stdout
    assert list(home.iterdir()) == []
    assert list(elsewhere.iterdir()) == []
    assert dlt_of_root.exists() == dlt_before
    assert files_of_the_project() <= project_before
    assert (data_dir / "sandbox" / "warehouse.duckdb").exists()
    assert LAST_RUN.is_symlink()
    assert stat.S_IMODE(data_dir.stat().st_mode) == 0o700

    again = subprocess.run(
        [sys.executable, "-m", "extract", "publish"],
        cwd=settings.ROOT,
        env={**environment, "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )

    assert again.returncode == 0, again.stderr
    assert "published: " in again.stdout
    # dbt parses the project once; its log has both runs
    log = (data_dir / "sandbox" / "logs" / "dbt.log").read_text()
    assert log.count("Unable to do partial parsing") == 1
    assert log.count("Partial parsing enabled: 0 files deleted, 0 files added") == 1
