"""Where everything is written: the data folder, its lock, and the link that dbt by hand follows."""

import fcntl
import logging
import os
import shutil
import stat
import time
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import TypeVar

import dlt
import duckdb

from extract import settings
from extract.errors import BusyError, SettingsError

T = TypeVar("T")
logger = logging.getLogger(__name__)
LAST_RUN = settings.ROOT / "transform" / "target" / "last_run"


class Folder:
    """The folder of one warehouse. What is published in it is for readers, the rest its owner's.

    Args:
        path: an absolute path.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.warehouse = path / "warehouse.duckdb"
        self.dlt = path / "dlt"  # dlt's working state; empty at the start of every run
        self.dbt = path / "dbt"  # dbt's artefacts
        self.logs = path / "logs"

    def create(self, has_readers: bool = True) -> None:
        """Make the folder, private to its owner; `readers_group` may pass it, but not list it.

        Args:
            has_readers: what is published lies in it; else not even the group may pass it.

        Raises:
            SettingsError: it cannot be made or written.
        """
        if unusable := sorted(filter(_is_unusable, set(str(self.path)))):
            raise SettingsError(
                f"The path {str(self.path)!r} contains {' '.join(map(repr, unusable))}, with which "
                "no warehouse can be written or read. Nothing was loaded. Set [elt] data_dir "
                "(ELT__DATA_DIR) to a folder without it."
            )
        os.umask(0o077)  # whatever else is written is personal data, too
        try:
            for folder in (data_dir(), self.path, self.logs):
                folder.mkdir(parents=True, exist_ok=True)
                if folder.stat().st_mode & stat.S_ISVTX:  # never close /tmp to others
                    continue
                if has_readers:
                    share(folder, 0o700 if folder == self.logs else 0o710)
                else:
                    folder.chmod(0o700)
        except OSError as error:
            raise SettingsError(
                f"Cannot write {error.filename}: {error.strerror}. "
                "Set [elt] data_dir (ELT__DATA_DIR) to a folder of yours."
            ) from error

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the warehouse for one run.

        The lock is an open file's: the system takes it back from a killed process. Its dbt, which
        lives on for seconds and works on the warehouse, inherits it (`lock`) and is waited for.

        Raises:
            BusyError: another run holds it; names its process.
        """
        lock = os.open(self.path / "run.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            give_up_at = time.monotonic() + settings.LOCK_WAIT
            while not _take(lock):
                holder = os.pread(lock, 20, 0).decode().strip() or "unknown"
                if _is_alive(holder):
                    raise BusyError(
                        f"Another run (process {holder}) is working in {self.path}. "
                        "Wait for it to end."
                    )
                if time.monotonic() > give_up_at:
                    raise BusyError(
                        f"The dbt of a killed run (process {holder}) is still working in "
                        f"{self.path}. Wait for it to end."
                    )
                time.sleep(0.2)
            os.pwrite(lock, f"{os.getpid():<20}".encode(), 0)
            self.lock = lock
            yield
        finally:
            os.close(lock)

    @contextmanager
    def connect(
        self, limits: Mapping[str, str] = MappingProxyType({})
    ) -> Iterator[duckdb.DuckDBPyConnection]:
        """Open the warehouse, and keep other programs out of it until the block ends.

        Args:
            limits: settings of DuckDB; connections that dlt opens meanwhile share them.

        Raises:
            duckdb.IOException: another program has it open and did not close it for a while.
        """
        if not self.warehouse.exists():
            # under another name first: what a full disk leaves half made would block every run
            begun = self.warehouse.with_name("warehouse.new")
            begun.unlink(missing_ok=True)
            duckdb.connect(str(begun)).close()
            begun.replace(self.warehouse)
        with patiently(lambda: duckdb.connect(str(self.warehouse))) as connection:
            for name, value in limits.items():
                connection.execute(f"set {name} = '{value}'")
            yield connection

    def become_last_run(self) -> None:
        """Point dbt by hand (`cd transform && dbt test`) at this warehouse."""
        try:
            LAST_RUN.parent.mkdir(exist_ok=True)
            link = LAST_RUN.with_name(f"last_run.{os.getpid()}")
            link.symlink_to(self.path)
            link.replace(LAST_RUN)
        except OSError as error:  # a project folder that nobody may write serves cron well
            logger.warning("dbt by hand will not find this warehouse: %s", error)


def _is_unusable(character: str) -> bool:
    """Tell whether a warehouse's path cannot contain a character.

    DuckDB's SQL (') and URLs ( ? % #) end at it, DuckDB takes folder=name for a column of Parquet
    files, and nothing prints control characters or bytes that are not UTF-8.
    """
    return character in "'?%#=" or unicodedata.category(character) in ("Cc", "Cs")


def _take(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_alive(process: str) -> bool:
    """Tell whether a process is there; one that cannot be told apart counts as there."""
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return False
    except (ValueError, PermissionError):
        return True
    return True


def patiently(open_file: Callable[[], T]) -> T:
    """Open a DuckDB file; a program that has it open, a BI tool say, is waited for a while.

    Raises:
        duckdb.IOException: it did not close it; names its process.
    """
    give_up_at = time.monotonic() + settings.LOCK_WAIT
    while True:
        try:
            return open_file()
        except duckdb.IOException as error:
            if "Could not set lock" not in str(error) or time.monotonic() > give_up_at:
                raise
        time.sleep(0.2)


def share(path: Path, mode: int) -> None:
    """Let `[elt] readers_group` use a file or folder as a mode says; without one, its owner alone.

    Raises:
        SettingsError: there is no such group, or the user of this process is not in it.
    """
    group = dlt.config.get("elt.readers_group", str)
    if group:
        try:
            shutil.chown(path, group=group)
        except (LookupError, PermissionError) as error:
            raise SettingsError(
                f"[elt] readers_group {group!r} is no group that {path} can be given to: {error}. "
                "Name a group of the system that the user of this process is a member of."
            ) from error
    path.chmod(mode if group else mode & 0o700)


def to_disk(path: Path) -> None:
    """Wait until a file, or a folder's list of files, outlives a loss of power."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def data_dir() -> Path:
    """Return `[elt] data_dir`; a relative one is below the project's root."""
    return settings.ROOT / Path(dlt.config.get("elt.data_dir", str) or "data").expanduser()


def folder_for(base_url: str) -> Folder:
    """Return the folder for an API: made-up contacts never mix with real ones."""
    root = data_dir()
    return Folder(root / settings.SANDBOX if base_url == settings.SANDBOX else root)
