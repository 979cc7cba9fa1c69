"""Connections to `localhost` that try each loopback address.

A resolver may know `localhost` as 127.0.0.1 only while the server listens on ::1 only, and the
other way round.
"""

import socket
from collections.abc import Callable
from contextlib import suppress

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import NewConnectionError
from urllib3.util.connection import create_connection

ADDRESSES = ("127.0.0.1", "::1")


def _connect(connect: Callable[[], socket.socket], connection: HTTPConnection) -> socket.socket:
    """Connect to what the host resolves to, and for `localhost` to the other address, too."""
    try:
        return connect()
    except NewConnectionError:
        for address in ADDRESSES if connection.host == "localhost" else ():
            with suppress(OSError):
                return create_connection(
                    (address, connection.port),
                    connection.timeout,
                    socket_options=connection.socket_options,
                )
        raise


class _Connection(HTTPConnection):
    def _new_conn(self) -> socket.socket:
        return _connect(super()._new_conn, self)


class _TlsConnection(HTTPSConnection):
    def _new_conn(self) -> socket.socket:
        return _connect(super()._new_conn, self)


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


POOLS = {"http": _Pool, "https": _TlsPool}
