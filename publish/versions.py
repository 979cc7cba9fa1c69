"""The published versions of a data folder, and the one that readers see.

    published/20261125T003412Z/contacts.duckdb   one version: the marts as a DuckDB file,
                               parquet/*.parquet as Parquet files,
                               dashboard.html    and as a page, where its extra is installed
    published/current -> 20261125T003412Z        the pointer
    contacts.duckdb -> published/current/contacts.duckdb, and so on: what readers open

A version is written under another name, brought to the disk, and never changed. One atomic replace
of the pointer then shows all its files, so they are of one version whenever a process is killed.
Whoever has files of a former version open keeps them, and whoever resolved `parquet` to a version
still finds all its files there, until as many are newer as `[elt] keep_versions` says.

A tool that opens a version for writing, in spite of its mode, leaves a write-ahead log that DuckDB
replays for the next reader. DuckDB 1.5 and newer have it in the version's own folder, where it can
reach no other version. Older ones have it beside the name they were given: showing a version
removes it, but not one that such a tool writes later, which readers as old as it then replay.
"""

import os
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from extract.errors import EltError
from extract.folder import Folder, share, to_disk

CONTACTS = "contacts.duckdb"
PARQUET_FILES = "parquet"
DASHBOARD = "dashboard.html"
NAME = re.compile(r"\d{8}T\d{6}Z")
NAME_FORMAT = "%Y%m%dT%H%M%SZ"


class Versions:
    """The versions in a data folder.

    Args:
        folder: the data folder, locked where anything is changed.
        keep: how many former versions stay beside the current one, 1 or more.
    """

    def __init__(self, folder: Folder, keep: int) -> None:
        self._keep = keep
        self._path = folder.path / "published"
        self._pointer = self._path / "current"
        self._shown = [folder.path / name for name in (CONTACTS, PARQUET_FILES, DASHBOARD)]

    @property
    def current(self) -> str | None:
        """The name of the version that readers see; None where there is none."""
        if not self._pointer.is_symlink() or not self._pointer.exists():
            return None
        return os.readlink(self._pointer)

    @property
    def former(self) -> list[str]:
        """The names of the versions before the current one, newest last."""
        if not self._pointer.is_symlink():
            return []
        return [name for name in self._names() if name < os.readlink(self._pointer)]

    def folder_of(self, name: str) -> Path:
        """Return a version's folder."""
        return self._path / name

    @contextmanager
    def new(self) -> Iterator[tuple[str, Path]]:
        """Yield a new version's name and a folder to write it to; show it when the block ends.

        Raises:
            EltError: a folder is in the way of a name that readers open.
            OSError: the disk is full, say. Readers see the version before, and nothing is left.
        """
        for path in self._shown:
            if path.is_dir() and not path.is_symlink():
                raise EltError(f"{path} is in the way of what is published: move it away.")
        self._path.mkdir(exist_ok=True)
        share(self._path, 0o750)
        name = next_name(self._names())  # later than those that are cleared away, too
        self._clear(former=self._keep - 1)
        begun = self._path / f"{name}.new"
        begun.mkdir()
        try:
            yield name, begun
            for path in (*begun.rglob("*"), begun):
                _seal(path)
            begun.rename(self._path / name)
            self.show(name)
        except BaseException:
            shutil.rmtree(begun, ignore_errors=True)
            raise

    def adopt(self, file: Path) -> None:
        """Make `x.new` in a version's folder its file `x`, which readers see if it is current."""
        _seal(file)
        file.replace(file.with_suffix(""))
        to_disk(file.parent)
        if self.current:
            self.show(self.current)

    def show(self, name: str) -> None:
        """Let readers see a version from now on."""
        there = [path for path in self._shown if (self._path / name / path.name).exists()]
        for path in there:
            _link(path, f"{self._path.name}/{self._pointer.name}/{path.name}")
        for folder in (self._path / name, self._path.parent):
            (folder / f"{CONTACTS}.wal").unlink(missing_ok=True)
        _link(self._pointer, name)
        for path in self._shown:
            if path not in there:  # a version without a dashboard
                path.unlink(missing_ok=True)

    def keep_current(self) -> None:
        """Remove all other versions and what is left of any, even from readers at work."""
        self._clear(former=0)

    def _names(self) -> list[str]:
        if not self._path.exists():
            return []
        return sorted(path.name for path in self._path.iterdir() if NAME.fullmatch(path.name))

    def _clear(self, former: int) -> None:
        """Remove what killed processes left, what was rolled back, and the oldest versions.

        Args:
            former: how many versions before the current one stay.
        """
        kept = {self.current, *self.former[::-1][:former]}
        if self._pointer.is_symlink():  # it is none in a copy that resolved links
            kept.add(self._pointer.name)
        for path in self._path.iterdir() if self._path.exists() else ():
            if path.name not in kept:
                _remove(path)


def next_name(names: Sequence[str]) -> str:
    """Return the time, as a version's name, but later than all versions: clocks are set back."""
    now = datetime.now(UTC)
    if names:
        newest = datetime.strptime(max(names), NAME_FORMAT).replace(tzinfo=UTC)
        now = max(now, newest + timedelta(seconds=1))
    return now.strftime(NAME_FORMAT)


def _seal(path: Path) -> None:
    """Make a file read-only, let readers pass a folder, and bring it to the disk."""
    share(path, 0o750 if path.is_dir() else 0o440)
    to_disk(path)


def _remove(path: Path) -> None:
    """Remove a version, which is none while it goes, or what is left of one."""
    if path.is_symlink() or not path.is_dir():
        path.unlink()
        return
    if NAME.fullmatch(path.name):
        path = path.rename(path.with_name(f"{path.name}.old"))
    shutil.rmtree(path)


def _link(path: Path, target: str) -> None:
    """Make a path a link to a target, in one step, unless it is one."""
    if path.is_symlink() and os.readlink(path) == target:
        return
    begun = path.with_name(f"{path.name}.new")
    begun.unlink(missing_ok=True)
    begun.symlink_to(target)
    begun.replace(path)
    to_disk(path.parent)
