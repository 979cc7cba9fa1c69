"""Versions at work: readers that have one open, tools that write to one, kills."""

import subprocess
import sys
from typing import Any

import duckdb
import pytest

from extract.folder import Folder
from publish.publication import publish, roll_back
from tests.support.published import Fill
from tests.support.readers import read_through
from tests.support.versions import names, publish_and_die, seen

# opens the published file as a tool might, and leaves what it wrote in a write-ahead log
TOOL = """
import duckdb, os, signal, sys
tool = duckdb.connect(sys.argv[1])
print("open", flush=True)
sys.stdin.readline()
tool.execute("insert into dim_leads from dim_leads")
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_reader_with_a_former_version_open_goes_on(folder: Folder, fill: Fill) -> None:
    fill(1)
    publish(folder)
    with duckdb.connect(str(folder.path / "contacts.duckdb"), read_only=True) as reader:
        for number in range(2, 6):
            fill(number)
            publish(folder)
        assert len(names(folder)) == 5  # the reader's is gone
        assert reader.sql("select distinct number from dim_leads").fetchall() == [(1,)]
    assert seen(folder) == {5}


def test_a_parquet_folder_that_was_resolved_stays_of_one_version(
    folder: Folder, fill: Fill
) -> None:
    fill(1)
    publish(folder)
    resolved = (folder.path / "parquet").resolve()
    for number in (2, 3, 4):
        fill(number)
        publish(folder)
    read = duckdb.sql(f"select distinct number from read_parquet('{resolved}/[df]*.parquet')")
    assert read.fetchall() == [(1,)]


def test_every_read_through_a_few_publications_is_whole_and_of_one_version(
    folder: Folder, fill: Fill, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`make test-slow` tries many, which remove versions that were read."""
    monkeypatch.setenv("ELT__KEEP_VERSIONS", "4")  # all, however long a reader sleeps
    read_through(folder, fill, publications=4)


@pytest.mark.parametrize("is_late", [False, True])
def test_a_tool_that_writes_to_a_version_changes_no_other(
    folder: Folder, fill: Fill, is_late: bool
) -> None:
    path = folder.path / "contacts.duckdb"
    fill(1)
    publish(folder)
    path.chmod(0o600)
    command = [sys.executable, "-c", TOOL, str(path)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as tool:
        assert tool.stdout
        assert tool.stdout.readline() == "open\n"
        fill(2)
        if is_late:
            publish(folder)
        tool.communicate("\n")
    logs = list(folder.path.rglob("*.wal"))
    assert len(logs) == 1
    if not is_late:
        publish(folder)
    assert seen(folder) == {2}
    ((rows, count),) = rows_and_count(folder)
    assert rows == count
    roll_back(folder)
    ((rows, count),) = rows_and_count(folder)
    assert rows == count


def rows_and_count(folder: Folder) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(folder.path / "contacts.duckdb"), read_only=True) as reader:
        return reader.sql(
            "select (select count(*) from dim_leads), row_count from published "
            "where mart = 'dim_leads'"
        ).fetchall()


def test_a_stale_log_beside_the_link_is_removed(folder: Folder, fill: Fill) -> None:
    """DuckDB before 1.5 looks for it there."""
    fill(1)
    publish(folder)
    stale = folder.path / "contacts.duckdb.wal"
    stale.write_bytes(b"of an old tool")
    publish(folder)
    assert not stale.exists()
    assert seen(folder) == {1}


def test_leftovers_of_killed_processes_are_removed(folder: Folder, fill: Fill) -> None:
    fill(1)
    publish(folder)
    root = folder.path / "published"
    for name in ("20200101T000000Z.new", "20200101T000000Z.old", "x"):
        (root / name / "parquet").mkdir(parents=True)
    (root / "current.new").symlink_to("nowhere")
    (folder.path / "contacts.duckdb.new").symlink_to("nowhere")
    publish(folder)
    assert len(names(folder)) == 3
    assert seen(folder) == {1}


@pytest.mark.parametrize(
    ("step", "is_done", "shown"),
    [
        ("rmtree", False, 1),  # while the oldest version is removed
        ("write_published", True, 1),  # while files are written
        ("to_disk", False, 1),  # when all are written
        ("symlink_to", True, 1),  # before the pointer moves
        ("replace", True, 2),  # after it moved
    ],
)
def test_a_publication_that_is_killed_shows_the_old_version_or_the_new_one(
    folder: Folder,
    fill: Fill,
    monkeypatch: pytest.MonkeyPatch,
    step: str,
    is_done: bool,
    shown: int,
) -> None:
    """`make test-slow` tries every step."""
    monkeypatch.setenv("ELT__KEEP_VERSIONS", "1")
    fill(1)
    for _ in range(2):
        publish(folder)
    fill(2)
    assert publish_and_die(folder, lambda name, done: (name, done) == (step, is_done))
    assert seen(folder) == {shown}
    fill(3)
    publish(folder)
    assert seen(folder) == {3}
    assert len(names(folder)) == 3
