"""Versions on the disk: which one readers see, what a kill or a tool leaves, who may read."""

import grp
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest

from extract.errors import EltError, SettingsError
from extract.folder import Folder
from extract.sandbox.server import ApiServer
from publish import marts, versions
from publish.publication import Published, publish, published, roll_back
from publish.versions import Versions
from tests.conftest import Elt
from tests.publish.conftest import Fill

# files that readers open
PLACES = ("contacts.duckdb", "parquet/dim_leads.parquet", "parquet/fct_loads.parquet")
# opens the published file as a tool might, and leaves what it wrote in a write-ahead log
TOOL = """
import duckdb, os, signal, sys
tool = duckdb.connect(sys.argv[1])
print("open", flush=True)
sys.stdin.readline()
tool.execute("insert into dim_leads from dim_leads")
os.kill(os.getpid(), signal.SIGKILL)
"""


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
    return sorted(path.name for path in (folder.path / "published").iterdir())


def test_readers_see_the_newest_version_and_a_few_before_it_are_kept(
    folder: Folder, fill: Fill
) -> None:
    shown = []
    for number in range(1, 7):
        fill(number)
        shown.append(publish(folder).version)
        assert seen(folder) == {number}
    assert shown == sorted(set(shown))
    assert names(folder) == [*shown[-4:], "current"]


def test_how_many_are_kept_is_a_setting(
    folder: Folder, fill: Fill, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ELT__KEEP_VERSIONS", "1")
    fill(1)
    shown = [publish(folder).version for _ in range(3)]
    assert names(folder) == [*shown[-2:], "current"]
    monkeypatch.setenv("ELT__KEEP_VERSIONS", "0")
    with pytest.raises(SettingsError, match="keep_versions"):
        publish(folder)


def test_a_wrong_number_to_keep_is_told_before_anything_is_read(
    api: ApiServer, elt: Elt, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ELT__KEEP_VERSIONS", "0")
    outcome = elt("run")
    assert outcome.exit_code == 2
    assert "keep_versions must be 1 or more" in outcome.stderr
    assert api.requests == []


def test_a_reader_with_a_former_version_open_goes_on(folder: Folder, fill: Fill) -> None:
    fill(1)
    publish(folder)
    with duckdb.connect(str(folder.path / "contacts.duckdb"), read_only=True) as reader:
        for number in range(2, 8):
            fill(number)
            publish(folder)
        assert len(names(folder)) == 5  # the reader's is gone
        assert reader.sql("select distinct number from dim_leads").fetchall() == [(1,)]
    assert seen(folder) == {7}


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


def test_going_back_shows_the_version_before_and_the_next_publication_drops_the_other(
    folder: Folder, fill: Fill
) -> None:
    shown = []
    for number in (1, 2, 3):
        fill(number)
        shown.append(publish(folder))
    assert roll_back(folder) == shown[1]
    assert seen(folder) == {2}
    assert published(folder) == shown[1]
    fill(4)
    newest = publish(folder)
    assert newest.version > shown[2].version
    assert names(folder) == [shown[0].version, shown[1].version, newest.version, "current"]
    assert roll_back(folder) == shown[1]
    assert roll_back(folder) == shown[0]
    with pytest.raises(EltError, match="no version before"):
        roll_back(folder)
    assert seen(folder) == {1}


def test_a_clock_that_was_set_back_makes_no_older_version(folder: Folder, fill: Fill) -> None:
    fill(1)
    first = publish(folder).version
    future = (folder.path / "published" / first).with_name("29991231T235959Z")
    (folder.path / "published" / first).rename(future)
    versions._link(folder.path / "published" / "current", future.name)
    fill(2)
    assert publish(folder).version == "30000101T000000Z"
    assert seen(folder) == {2}


def test_nobody_else_may_read_and_nobody_may_write(folder: Folder, fill: Fill) -> None:
    fill(1)
    publish(folder)
    for path in (folder.path / "published").rglob("*"):
        mode = path.stat().st_mode & 0o777
        assert mode == (0o700 if path.is_dir() else 0o400), path


def test_a_group_may_read_what_is_published_and_nothing_else(
    folder: Folder, fill: Fill, monkeypatch: pytest.MonkeyPatch
) -> None:
    group = grp.getgrgid(os.getgid()).gr_name
    monkeypatch.setenv("ELT__READERS_GROUP", group)
    folder.create()
    fill(1)
    publish(folder)
    expected = {"": 0o710, "published": 0o750, "parquet": 0o750, "logs": 0o700}
    expected |= dict.fromkeys(PLACES, 0o440) | {"warehouse.duckdb": 0o600}
    assert {name: (folder.path / name).stat().st_mode & 0o777 for name in expected} == expected
    monkeypatch.setenv("ELT__READERS_GROUP", "no-such-group")
    with pytest.raises(SettingsError, match="readers_group 'no-such-group'"):
        publish(folder)
    assert seen(folder) == {1}


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


@pytest.mark.parametrize("name", ["contacts.duckdb", "parquet", "dashboard.html"])
def test_a_folder_in_the_way_is_named(folder: Folder, fill: Fill, name: str) -> None:
    fill(1)
    (folder.path / name).mkdir()
    with pytest.raises(EltError, match=f"{name} is in the way"):
        publish(folder)
    (folder.path / name).rmdir()
    publish(folder)
    assert seen(folder) == {1}


def test_a_version_whose_folder_somebody_removed_is_published_anew(
    folder: Folder, fill: Fill
) -> None:
    fill(1)
    first = publish(folder)
    fill(2)
    shutil.rmtree(folder.path / "published" / publish(folder).version)
    assert published(folder) is None
    assert roll_back(folder) == first
    shutil.rmtree(folder.path / "published")
    assert published(folder) is None
    publish(folder)
    assert seen(folder) == {2}


def test_a_copy_that_resolved_the_links_publishes_again(
    folder: Folder, fill: Fill, tmp_path: Path
) -> None:
    fill(1)
    publish(folder)
    copy = Folder(tmp_path / "copy")
    shutil.copytree(folder.path, copy.path)
    with pytest.raises(EltError, match="parquet is in the way"):
        publish(copy)
    shutil.rmtree(copy.path / "parquet")
    publish(copy)
    assert (copy.path / "published" / "current").is_symlink()
    assert seen(copy) == {1}


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


def publish_and_die(folder: Folder, step: int) -> None:
    """Die before so many steps are done."""
    left = [step]

    def dying(function: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*args: Any, **kwargs: Any) -> Any:
            left[0] -= 1
            if left[0] < 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*args, **kwargs)

        return counted

    for owner, name in STEPS:
        setattr(owner, name, dying(getattr(owner, name)))
    publish(folder)
    os._exit(0)


def test_a_publication_may_be_killed_at_any_step(
    folder: Folder, fill: Fill, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Readers see the old version or the new one, and the next publication is as good as any."""
    monkeypatch.setenv("ELT__KEEP_VERSIONS", "1")
    processes = multiprocessing.get_context("fork")
    fill(0)
    publish(folder)
    number, step, ended = 0, 0, False
    while not ended:
        fill(number + 1)
        process = processes.Process(target=publish_and_die, args=(folder, step))
        process.start()
        process.join(60)
        ended = process.exitcode == 0
        assert ended or process.exitcode == -signal.SIGKILL
        assert seen(folder) in ({number}, {number + 1})
        fill(number + 2)
        publish(folder)
        assert seen(folder) == {number + 2}
        assert len(names(folder)) == 3
        number, step = number + 2, step + 1
    assert step > 30


class Full(Exception):
    """The disk, say."""


@pytest.mark.parametrize(("owner", "name"), STEPS[:4])
def test_a_publication_that_fails_changes_nothing_and_leaves_nothing(
    folder: Folder, fill: Fill, monkeypatch: pytest.MonkeyPatch, owner: Any, name: str
) -> None:
    fill(1)
    before: Published = publish(folder)
    fill(2)

    def fail(*_: Any) -> None:
        raise Full

    with monkeypatch.context() as full:
        full.setattr(owner, name, fail)
        with pytest.raises(Full):
            publish(folder)
    assert published(folder) == before
    assert seen(folder) == {1}
    assert names(folder) == [before.version, "current"]
    assert Versions(folder, 1).former == []
    publish(folder)
    assert seen(folder) == {2}
