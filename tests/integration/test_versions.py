"""Versions on the disk: which one readers see, how many are kept, what stands in the way."""

import grp
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from extract.errors import EltError, SettingsError
from extract.folder import Folder
from extract.sandbox.server import ApiServer
from publish import versions
from publish.publication import Published, publish, published, roll_back
from publish.versions import Versions
from tests.support.elt import Elt
from tests.support.published import Fill
from tests.support.versions import PLACES, STEPS, names, seen


def test_readers_see_the_newest_version_and_a_few_before_it_are_kept(
    folder: Folder, fill: Fill
) -> None:
    shown = []
    for number in range(1, 6):
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


def test_a_wrong_number_to_keep_ends_a_run_before_its_first_request(
    api: ApiServer, elt: Elt, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ELT__KEEP_VERSIONS", "0")
    outcome = elt("run")
    assert outcome.exit_code == 2
    assert "keep_versions must be 1 or more" in outcome.stderr
    assert api.requests == []


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


@pytest.mark.parametrize("name", ["contacts.duckdb", "parquet", "dashboard.html"])
def test_a_folder_in_the_way_is_named(folder: Folder, fill: Fill, name: str) -> None:
    fill(1)
    (folder.path / name).mkdir()
    with pytest.raises(EltError, match=f"{name} is in the way"):
        publish(folder)
    (folder.path / name).rmdir()
    publish(folder)
    assert seen(folder) == {1}


def test_a_version_whose_folder_somebody_removed_is_published_again(
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
