"""Publishes marts on a PostgreSQL server: whole schemas change their names in one transaction.

    marts_next              what dbt builds and tests
    marts                   what readers see
    marts_20261125t003412z  a former version, for `elt rollback` and for readers still at work

A query reads the version that it began with, however long it takes; so does a transaction, unless
it takes many seconds. The table `marts.published` tells which version it is.
"""

import time
from contextlib import suppress
from datetime import UTC, datetime
from importlib.metadata import version as package_version
from typing import Any

import dlt

from extract.errors import EltError, SettingsError
from extract.project import marts
from publish.marts import COMMENTS, READ_AT
from publish.publication import Published, keep_versions
from publish.versions import NAME, next_name

SHOWN = "marts"
NEXT = "marts_next"
FORMER = "marts_"  # and the version's name, in lower case
# readers wait no longer than this, a few times in seconds
SWAP_WAIT, SWAP_PAUSE, SWAP_ATTEMPTS = "100ms", 0.3, 20
DROP_WAIT = "10s"  # who reads a former version for longer keeps it until the next publication


def publish(session: Any, where: str) -> Published:
    """Publish the schema `marts_next`, of which every blocking test has passed.

    Args:
        session: psycopg2's connection, in autocommit mode.
        where: the database, as a person knows it.

    Raises:
        EltError: a schema `marts` that is not ours is in the way.
        SettingsError: there is no such role as `[elt] readers_group` names.
        psycopg2.Error: the connection is gone, say; readers still see the version before.
    """
    with session.cursor() as cursor:
        former, shown = _former(cursor), _shown_version(cursor)
        if SHOWN in _schemas(cursor) and not shown:
            raise EltError(f"The schema {SHOWN} of {where} is not ours: rename or drop it.")
        with session:  # one transaction
            _write_published(cursor, next_name([*former, shown] if shown else former))
            _share(cursor)
        _swap(session, shown, NEXT)
        before = [name for name in _former(cursor) if not shown or name <= shown]
        kept = before[-keep_versions() :]  # without those that were rolled back
        _drop(cursor, [name for name in _former(cursor) if name not in kept])
    return _described(session, where)


def published(session: Any, where: str) -> Published | None:
    """Return what readers see; None where nothing was published yet.

    Args:
        session: psycopg2's connection, in autocommit mode.
        where: the database, as a person knows it.
    """
    with session.cursor() as cursor:
        return _described(session, where) if _shown_version(cursor) else None


def roll_back(session: Any, where: str) -> Published:
    """Let readers see the version before the current one again, in one transaction.

    Args:
        session: psycopg2's connection, in autocommit mode.
        where: the database, as a person knows it.

    Raises:
        EltError: there is none.
    """
    with session.cursor() as cursor:
        shown = _shown_version(cursor)
        former = [name for name in _former(cursor) if shown and name < shown]
        if not former:
            raise EltError(f"There is no version before the one that is published in {where}.")
        _swap(session, shown, _aside(former[-1]))
    return _described(session, where)


def _swap(session: Any, shown: str | None, schema: str) -> None:
    """Let readers see another schema from now on, in one transaction.

    A query that names several marts looks them up one after the other. So that it finds all in one
    version, the swap happens while nobody is in between: whoever reads is waited for, and whoever
    comes meanwhile waits, a moment each time. A reader that does not end is not waited for.
    """
    from psycopg2 import errors  # of the extra

    for attempt in range(SWAP_ATTEMPTS):
        is_last = attempt == SWAP_ATTEMPTS - 1
        with suppress(errors.LockNotAvailable), session, session.cursor() as cursor:
            if shown:
                if not is_last:
                    cursor.execute(f"set local lock_timeout = '{SWAP_WAIT}'")
                    ours = {*_tables(cursor, SHOWN)} & {*marts(), "published"}
                    tables = ", ".join(f"{SHOWN}.{name}" for name in sorted(ours))
                    cursor.execute(f"lock table {tables} in access exclusive mode")
                cursor.execute(f"alter schema {SHOWN} rename to {_aside(shown)}")
            cursor.execute(f"alter schema {schema} rename to {SHOWN}")
            return
        time.sleep(SWAP_PAUSE)


def _tables(cursor: Any, schema: str) -> list[str]:
    cursor.execute("select tablename from pg_tables where schemaname = %s order by 1", [schema])
    return [name for (name,) in cursor.fetchall()]


def _schemas(cursor: Any) -> set[str]:
    cursor.execute("select nspname from pg_namespace")
    return {name for (name,) in cursor.fetchall()}


def _former(cursor: Any) -> list[str]:
    """Return the names of the versions that readers do not see, oldest first."""
    names = (name.removeprefix(FORMER).upper() for name in _schemas(cursor))
    return sorted(name for name in names if NAME.fullmatch(name))


def _aside(version: str) -> str:
    return f"{FORMER}{version.lower()}"


def _shown_version(cursor: Any) -> str | None:
    """Return the name of the version that readers see; None where there is none."""
    cursor.execute("select to_regclass(%s)", [f"{SHOWN}.published"])
    if cursor.fetchone() == (None,):
        return None
    cursor.execute(f"select version from {SHOWN}.published limit 1")
    (version,) = cursor.fetchone() or (None,)
    return version


def _described(session: Any, where: str) -> Published:
    with session.cursor() as cursor:
        cursor.execute(f"select version, published_at, data_as_of from {SHOWN}.published limit 1")
        return Published(f"schema {SHOWN} of {where}", *cursor.fetchone())


def _write_published(cursor: Any, version: str) -> None:
    """Make the table `published`, as published files have it."""
    tables = _tables(cursor, NEXT)
    for name in tables:
        if name not in marts():  # of a run that was killed, or an earlier release
            cursor.execute(f'drop table {NEXT}."{name}"')
    counts = " union all ".join(
        f"select '{name}' as mart, count(*) as row_count from {NEXT}.{name}"
        for name in tables
        if name in marts()
    )
    cursor.execute(
        f"""
        create table {NEXT}.published as
        select
            cast(%s as text) as version,
            cast(%s as timestamp) as published_at,
            read_at.leads_read_at,
            read_at.users_read_at,
            case
                when read_at.leads_read_at is not null and read_at.users_read_at is not null
                    then least(read_at.leads_read_at, read_at.users_read_at)
            end as data_as_of,
            cast(%s as text) as package_version,
            counts.mart,
            counts.row_count
        from ({counts}) as counts
        cross join ({READ_AT.format(loads=f"{NEXT}.fct_loads")}) as read_at
        """,
        [version, datetime.now(UTC).replace(tzinfo=None), package_version("contacts-elt")],
    )
    for column, comment in COMMENTS.items():
        what = f'column {NEXT}.published."{column}"' if column else f"table {NEXT}.published"
        cursor.execute(f"comment on {what} is %s", [comment])


def _share(cursor: Any) -> None:
    """Let `[elt] readers_group`, a role of the server, read the schema."""
    role = dlt.config.get("elt.readers_group", str)
    if not role:
        return
    from psycopg2 import errors  # of the extra

    quoted = '"' + role.replace('"', '""') + '"'
    try:
        cursor.execute(f"grant usage on schema {NEXT} to {quoted}")
        cursor.execute(f"grant select on all tables in schema {NEXT} to {quoted}")
    except errors.UndefinedObject as error:
        raise SettingsError(
            f"[elt] readers_group {role!r} is no role of the server: create role {quoted}."
        ) from error


def _drop(cursor: Any, versions: list[str]) -> None:
    """Remove former versions, but for one that is being read."""
    from psycopg2 import errors  # of the extra

    cursor.execute(f"set lock_timeout = '{DROP_WAIT}'")
    for version in versions:
        with suppress(errors.LockNotAvailable):
            cursor.execute(f"drop schema {_aside(version)} cascade")
    cursor.execute("set lock_timeout = 0")
