"""A connection to a PostgreSQL server that holds the warehouse's lock as long as it lives."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from extract.errors import BusyError

LOCK = 0x636F6E7461637473  # "contacts": the number of our lock, in each database


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
        psycopg2.OperationalError: the server cannot be reached or refuses the credentials.
    """
    import psycopg2  # of the extra

    name = f"contacts-elt, process {os.getpid()} on {socket.gethostname()}"
    session = psycopg2.connect(url, application_name=name[:63])
    try:
        session.autocommit = True
        with session.cursor() as cursor:
            # a machine that was switched off holds it for two minutes, not for two hours
            cursor.execute("set tcp_keepalives_idle = 60; set tcp_keepalives_interval = 10")
            cursor.execute("select pg_try_advisory_lock(%s)", [LOCK])
            if cursor.fetchone() != (True,):
                raise BusyError(
                    f"Another run ({_holder(cursor)}) is working on {where}. Wait for it to end."
                )
        yield session
    finally:
        session.close()


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
