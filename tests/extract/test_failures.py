"""Disks that fill up and files that break: what is said, and that the next run recovers."""

import errno
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from extract import settings
from extract.errors import ApiError, EltError
from extract.failures import plain_error
from extract.sandbox.server import ApiServer
from tests.builders import Lists, lead, leads
from tests.conftest import Elt, Query

ROWS = 2000
# a run of its own process in which no file can grow beyond a size, as on a disk that is full
LIMITED = """
import os, resource, sys
from pathlib import Path
from extract import dbt_build, folder, pipeline
from extract.__main__ import main
if sys.argv[2] == "without models":
    dbt_build.build = lambda *_: dbt_build.BuildResult()
    pipeline.publish = lambda *_: None
folder.LAST_RUN = Path(os.environ["ELT__DATA_DIR"]).with_name("last_run")
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]),) * 2)
sys.exit(main(["run"]))
"""


@pytest.fixture
def many_leads(lists: Lists, api: ApiServer, monkeypatch: pytest.MonkeyPatch) -> None:
    lists["leads"] = [lead(number, number / 60, name="x" * 200) for number in range(ROWS)]
    api.max_per_page = 1000
    monkeypatch.setenv("SOURCES__ANALYTICS_API__PAGE_SIZE", "1000")


def run_limited(size: int, models: str = "without models") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", LIMITED, str(size), models]
    return subprocess.run(command, cwd=settings.ROOT, capture_output=True, text=True, check=False)


@pytest.mark.usefixtures("many_leads", "without_models")
@pytest.mark.parametrize(
    ("size", "file"),
    [
        (5_000, "warehouse.new"),
        (20_000, "[Errno"),  # dlt's files
        (300_000, "warehouse.duckdb.wal"),
        (1_000_000, "warehouse.duckdb.wal"),
    ],
)
def test_a_full_disk_is_told_plainly_and_the_next_run_recovers(
    elt: Elt, query: Query, data_dir: Path, size: int, file: str
) -> None:
    limited = run_limited(size)
    assert limited.returncode == 1
    assert limited.stderr.startswith("elt: No space to write: ")
    assert len(limited.stderr.splitlines()) == 1
    assert "File too large" in limited.stderr
    assert file in limited.stderr
    assert str(data_dir) in limited.stderr
    assert "run again" in limited.stderr
    assert elt("run").exit_code == 0
    assert query("select count(*), count(distinct crmhero_user_id) from raw.leads") == [
        (ROWS, ROWS)
    ]


@pytest.mark.usefixtures("many_leads")
def test_a_disk_that_fills_up_while_the_models_are_built_is_told_too(
    elt: Elt, query: Query
) -> None:
    limited = run_limited(2_000_000, "with models")
    assert limited.returncode == 1
    assert "File too large" in limited.stdout + limited.stderr
    assert "Traceback" not in limited.stdout + limited.stderr
    assert elt("run").exit_code == 0
    assert query("select count(*) from marts.dim_leads") == [(ROWS,)]


@pytest.mark.usefixtures("many_leads", "without_models")
def test_rows_that_need_more_memory_than_usual_are_loaded_with_all_there_is(
    elt: Elt, query: Query, lists: Lists, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "LIMITS", {"memory_limit": "16MiB", "threads": "1"})
    outcome = elt("run")
    assert outcome.exit_code == 0, outcome.stderr
    lists["leads"] = [row | {"name": "changed"} for row in lists["leads"]]
    assert elt("run", "--full-refresh").exit_code == 0
    assert query("select count(*), count(distinct crmhero_user_id) from raw.leads") == [
        (ROWS, ROWS)
    ]
    assert query("select count(*) from raw.leads where name = 'changed'") == [(ROWS,)]


@pytest.mark.usefixtures("many_leads")
def test_models_that_need_more_memory_than_usual_are_built_with_all_there_is(
    elt: Elt, query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONTACTS_MEMORY_LIMIT", "8MiB")
    outcome = elt("run")
    assert outcome.exit_code == 0, outcome.stdout + outcome.stderr
    assert query("select count(*) from marts.dim_leads") == [(ROWS,)]


def test_dbt_that_finds_no_space_to_begin_is_told_in_one_line() -> None:
    said = 'dbt could not build: Running\n  File "x.py", line 1\nOSError: [Errno 28] No space left'
    error = plain_error(EltError(f"{said} on device See dbt.log."))
    assert str(error).startswith("No space to write: [Errno 28] No space left on device")
    assert len(str(error).splitlines()) == 1


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_no_space_and_no_quota_are_one_failure(code: int) -> None:
    wrapped = ValueError("a library failed")
    wrapped.__cause__ = OSError(code, "says the system", "some/file")
    assert str(plain_error(wrapped)).startswith("No space to write: [Errno")


def test_an_api_that_says_so_itself_is_no_full_disk() -> None:
    error = ApiError("The answer of http://localhost/ is HTTP 413: File too large")
    assert plain_error(error) is error


def damage(warehouse: Path, how: str) -> None:
    whole = warehouse.read_bytes()
    match how:
        case "empty":
            warehouse.write_bytes(b"")
        case "cut":
            warehouse.write_bytes(whole[: len(whole) // 2])
        case "another file":
            warehouse.write_bytes(b"id,email\n1,ada@example.com\n" * 1000)
        case "flipped bytes":
            warehouse.write_bytes(whole[:4200] + bytes(9000) + whole[13200:])


@pytest.mark.usefixtures("without_models")
@pytest.mark.parametrize("how", ["empty", "cut", "another file", "flipped bytes"])
def test_a_damaged_warehouse_is_told_with_the_two_ways_out(
    lists: Lists, api: ApiServer, elt: Elt, query: Query, data_dir: Path, how: str
) -> None:
    lists["leads"] = leads(60)
    assert elt("run").exit_code == 0
    warehouse, backup = data_dir / "warehouse.duckdb", data_dir / "backup"
    backup.write_bytes(warehouse.read_bytes())
    damage(warehouse, how)
    for outcome in (elt("run"), elt("check")):
        assert outcome.exit_code == 1
        said = outcome.stdout + outcome.stderr
        assert "The warehouse is damaged: " in said
        assert "backup" in said
        assert "move it" in said
        assert str(data_dir) in said
    assert len(elt("run").stderr.splitlines()) == 1
    # the one way out
    backup.replace(warehouse)
    assert elt("run").exit_code == 0
    # the other
    warehouse.rename(data_dir / "moved away")
    assert elt("run").exit_code == 0
    assert query("select count(*) from raw.leads") == [(60,)]


def test_another_failure_of_the_warehouse_is_no_damage() -> None:
    failure = duckdb.IOException("IO Error: Cannot open file: Permission denied")
    assert "damaged" not in str(plain_error(failure))


@pytest.mark.parametrize("reason", ["Permission denied", "Read-only file system"])
def test_a_warehouse_that_cannot_be_written_is_told_with_its_setting(reason: str) -> None:
    failure = plain_error(duckdb.IOException(f'IO Error: Cannot open file "warehouse": {reason}'))
    assert failure.exit_code == 2
    assert "ELT__DATA_DIR" in str(failure)
