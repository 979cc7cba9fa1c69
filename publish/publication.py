"""Publishes a version of the marts, tells which one readers see, goes back to the one before."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import dlt
import duckdb

from extract.errors import EltError, SettingsError
from extract.folder import Folder, patiently
from extract.person import Person, Rows, count_rows, tables_of
from publish import dashboard
from publish.marts import LIMITS, Source, write_marts
from publish.versions import CONTACTS, DASHBOARD, PARQUET_FILES, Versions

logger = logging.getLogger(__name__)
KEEP_VERSIONS = 3  # a few hours of hourly runs, to go back or for readers to finish in


@dataclass(frozen=True)
class Published:
    """The version that readers see. Times are UTC without a zone.

    `path` is the file they open, `data_as_of` when both lists had last been read from the API,
    None where one of them never was.
    """

    path: str
    version: str
    published_at: datetime
    data_as_of: datetime | None

    @property
    def age(self) -> str:
        """How long ago it was published, in a word or two."""
        minutes = max(0, int((_now() - self.published_at).total_seconds() / 60))
        for unit, size in (("day", 1440), ("hour", 60)):
            if minutes >= 2 * size:
                return f"{minutes // size} {unit}s"
        return f"{minutes} minute{'' if minutes == 1 else 's'}"


def publish(folder: Folder) -> Published:
    """Publish the marts of the warehouse, of which every blocking test has passed.

    Args:
        folder: the warehouse's, locked.

    Returns:
        The new version.

    Raises:
        duckdb.Error, OSError: the disk is full, say; readers still see the version before.
    """
    return _publish(folder, Source(folder.warehouse, "marts"))


class Found(NamedTuple):
    """A person's rows in a version, by mart, and how many they are.

    Of a mart whose columns do not tell whose words it shows, they are all rows. `is_any` tells
    whether there are others.
    """

    rows: dict[str, Rows]
    counts: dict[str, int]
    is_any: bool


def find(folder: Folder, person: Person) -> Found:
    """Find a person in the current version, and follow its ids there.

    Raises:
        EltError: the version cannot be read.
    """
    found = Found({}, {}, False)
    current = _versions(folder).current
    if not current:
        return found
    with opened(folder, current) as connection:
        tables = tables_of(connection)
        person.learn_from(connection, tables)
        for table in tables:
            rows = person.rows_of(connection, table)
            found.rows[table.name] = rows
            found.counts[table.name] = count_rows(connection, table, rows)
    return found._replace(is_any=any(found.counts[t.name] for t in tables if not t.is_derived))


def publish_without(folder: Folder, rows: Mapping[str, Rows]) -> None:
    """Publish the current version without some rows, and remove all others.

    Args:
        folder: the warehouse's, locked.
        rows: which, by mart.
    """
    versions = _versions(folder)
    if versions.current:
        _publish(folder, Source(versions.folder_of(versions.current) / CONTACTS, "main", rows))
    versions.keep_current()


def published(folder: Folder) -> Published | None:
    """Return what readers see; None where nothing was published yet.

    Raises:
        EltError: it cannot be read.
    """
    current = _versions(folder).current
    return _describe(folder, current) if current else None


def roll_back(folder: Folder) -> Published:
    """Let readers see the version before the current one again.

    Args:
        folder: the warehouse's, locked.

    Raises:
        EltError: there is none.
    """
    versions = _versions(folder)
    if not versions.former:
        raise EltError(f"There is no version before the one that is published in {folder.path}.")
    version = versions.former[-1]
    versions.show(version)
    return _describe(folder, version)


def current_version(folder: Folder) -> str:
    """Return the name of the version that readers see.

    Raises:
        EltError: there is none.
    """
    current = _versions(folder).current
    if not current:
        raise EltError(f"Nothing is published in {folder.path} yet: elt run does it.")
    return current


def draw_dashboard(folder: Folder) -> Path:
    """Draw the dashboard of the version that readers see, and return its path.

    Args:
        folder: the warehouse's, locked.

    Raises:
        EltError: nothing was published yet, or the extra is not installed.
    """
    version = _versions(folder).folder_of(current_version(folder))
    if not dashboard.is_installed():
        raise EltError("The dashboard's packages are not installed: make dashboard does it.")
    page = version / f"{DASHBOARD}.new"
    page.unlink(missing_ok=True)
    _draw(version / CONTACTS, page)
    _versions(folder).adopt(page)
    return folder.path / DASHBOARD


def keep_versions() -> int:
    """Return `[elt] keep_versions`.

    Raises:
        SettingsError: it cannot work.
    """
    keep = dlt.config.get("elt.keep_versions", int)
    if keep is not None and keep < 1:
        raise SettingsError("[elt] keep_versions must be 1 or more.")
    return KEEP_VERSIONS if keep is None else keep


def _versions(folder: Folder) -> Versions:
    return Versions(folder, keep_versions())


def _publish(folder: Folder, source: Source) -> Published:
    with _versions(folder).new() as (version, begun):
        write_marts(source, version, _now(), begun)
        if dashboard.is_installed():
            try:
                _draw(begun / CONTACTS, begun / DASHBOARD)
            except Exception as error:  # whatever a chart dies of, the data is fine
                logger.warning("The dashboard could not be drawn: %s", error)
    return _describe(folder, version)


def _draw(contacts: Path, page: Path) -> None:
    limits = LIMITS | {"temp_directory": f"{page}.spilled"}
    with duckdb.connect(str(contacts), read_only=True, config=limits) as connection:
        page.write_text(dashboard.render(connection), encoding="utf-8")


@contextmanager
def opened(folder: Folder, version: str) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a version's file, read-only.

    Raises:
        EltError: it cannot be read.
    """
    file = _versions(folder).folder_of(version) / CONTACTS
    try:
        with patiently(lambda: duckdb.connect(str(file), read_only=True)) as connection:
            yield connection
    except duckdb.Error as error:
        raise _unreadable(file, error) from error


def _describe(folder: Folder, version: str) -> Published:
    # the Parquet file, which no tool can lock
    file = _versions(folder).folder_of(version) / PARQUET_FILES / "published.parquet"
    try:
        with duckdb.connect() as connection:
            row = connection.execute(
                "select version, published_at, data_as_of from read_parquet(?) limit 1",
                [str(file)],
            ).fetchone()
    except duckdb.Error as error:
        raise _unreadable(file, error) from error
    return Published(str(folder.path / CONTACTS), *(row or ()))


def _unreadable(file: Path, error: duckdb.Error) -> EltError:
    reason = str(error).splitlines()[0]
    return EltError(
        f"What is published cannot be read, {file}: {reason} The next elt run or elt publish "
        "publishes anew; elt rollback goes back to the version before."
    )


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)
