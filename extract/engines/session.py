"""A connection to a PostgreSQL server that holds the warehouse's lock as long as it lives."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from extract.errors import BusyError, EltError, SettingsError

LOCK = 0x636F6E7461637473  # "contacts": the number of our lock, in each database
# what else a server says to a connection passes, or is the network's
REFUSALS = ("authentication failed", "no password supplied", "does not exist", "pg_hba.conf")


@contextmanager
def locked_session(url: str, where: str) -> Iterator[Any]:
    """Hold a database for one run, against runs of all machines.

    The server takes the lock back when the connection ends, however that happens.

    Args:
        url: of the database, with its credentials.
        where: the warehouse, as a person knows it.

    Yields:
        psycopg2's connection, in autocommit mode.

    Raises:
        BusyError: another run holds it; names it.
        SettingsError: the server refuses the credentials, or may not be written.
        EltError: it does not answer.
    """
    import psycopg2  # of the extra

    session = _connect(url, where)
    try:
        session.autocommit = True
        with session.cursor() as cursor:
            # a machine that was switched off holds it for two minutes, not for two hours
            cursor.execute("set tcp_keepalives_idle = 60; set tcp_keepalives_interval = 10")
            cursor.execute("select has_database_privilege(current_database(), 'create')")
            if cursor.fetchone() != (True,):
                raise SettingsError(
                    f"The user of {where} may not make schemas: grant create on database."
                )
            cursor.execute("select pg_try_advisory_lock(%s)", [LOCK])
            if cursor.fetchone() != (True,):
                raise BusyError(
                    f"Another run ({_holder(cursor)}) is working on {where}. Wait for it to end."
                )
        yield session
    finally:
        # the server notices the end of a connection a moment later
        with suppress(psycopg2.Error), session.cursor() as cursor:
            cursor.execute("select pg_advisory_unlock_all()")
        session.close()


def check_session(session: Any, where: str) -> None:
    """Make sure that a session still holds its lock.

    Raises:
        EltError: its connection is gone, and another run may have begun.
    """
    import psycopg2  # of the extra

    try:
        with session.cursor() as cursor:
            cursor.execute("select 1")
    except psycopg2.Error as error:
        raise EltError(
            f"The connection that held the lock of {where} is gone. Run again. The server said: "
            f"{' '.join(str(error).split())}"
        ) from error


def _connect(url: str, where: str) -> Any:
    import psycopg2  # of the extra

    name = f"contacts-elt, process {os.getpid()} on {socket.gethostname()}"
    try:
        return psycopg2.connect(url, application_name=name[:63])
    except psycopg2.OperationalError as error:
        said = " ".join(str(error).split())
        if any(refusal in said for refusal in REFUSALS):
            raise SettingsError(
                f"The server of {where} refused the connection: {said}. Mend the credentials in "
                ".dlt/secrets.toml, or in the environment."
            ) from error
        raise EltError(
            f"The server of {where} does not answer: {said}. Run again later."
        ) from error


def _holder(cursor: Any) -> str:
    """Return who holds the lock, by the name that its connection gave itself."""
    cursor.execute(
        "select activity.application_name from pg_locks as locks "
        "inner join pg_stat_activity as activity on locks.pid = activity.pid "
        "where locks.locktype = 'advisory' and locks.granted "
        "and (locks.classid::bigint << 32) | locks.objid::bigint = %s "
        "and locks.database = (select oid from pg_database where datname = current_database())",
        [LOCK],
    )
    (name,) = cursor.fetchone() or ("",)
    return str(name).removeprefix("contacts-elt, ") or "unknown"
