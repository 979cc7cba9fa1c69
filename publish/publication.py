"""Publishes a version of the marts, tells which one readers see, goes back to the one before."""

import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import dlt
import duckdb

from extract.errors import EltError, SettingsError
from extract.folder import Folder
from extract.person import Person, tables_of
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
        minutes = int((_now() - self.published_at).total_seconds() / 60)
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


def publish_without(folder: Folder, person: Person) -> dict[str, int]:
    """Publish the current version without a person, and remove all others.

    Marts whose columns do not tell whose words they show are empty in it.

    Args:
        folder: the warehouse's, locked.
        person: whose rows go.

    Returns:
        How many rows of which tables went; none where nothing was published.
    """
    versions, rows = _versions(folder), {}
    if versions.current:
        file = versions.folder_of(versions.current) / CONTACTS
        with duckdb.connect(str(file), read_only=True) as connection:
            without = {
                table.name: person.rows_of(connection, table) for table in tables_of(connection)
            }
            for mart, (condition, values) in without.items():
                count = connection.execute(f"select count(*) from {mart} where {condition}", values)
                rows[mart] = int((count.fetchone() or (0,))[0])
        _publish(folder, Source(file, "main", without))
    versions.keep_current()
    return rows


def published(folder: Folder) -> Published | None:
    """Return what readers see; None where nothing was published yet."""
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


def draw_dashboard(folder: Folder) -> Path:
    """Draw the dashboard of the version that readers see, and return its path.

    Args:
        folder: the warehouse's, locked.

    Raises:
        EltError: nothing was published yet, or the extra is not installed.
    """
    versions = _versions(folder)
    if not versions.current:
        raise EltError(f"Nothing is published in {folder.path} yet: elt run does it.")
    if not dashboard.is_installed():
        raise EltError("The dashboard's packages are not installed: make dashboard does it.")
    version = versions.folder_of(versions.current)
    page = version / f"{DASHBOARD}.new"
    page.unlink(missing_ok=True)
    _draw(version / CONTACTS, page)
    versions.adopt(page)
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


def _describe(folder: Folder, version: str) -> Published:
    # the Parquet file, which no tool can lock
    table = _versions(folder).folder_of(version) / PARQUET_FILES / "published.parquet"
    with duckdb.connect() as connection:
        row = connection.execute(
            "select version, published_at, case when leads_read_at is not null "
            "and users_read_at is not null then least(leads_read_at, users_read_at) end "
            "from read_parquet(?) limit 1",
            [str(table)],
        ).fetchone()
    return Published(str(folder.path / CONTACTS), *(row or ()))


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)
