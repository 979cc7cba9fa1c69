"""Connections to `localhost` that try each loopback address.

A resolver may know `localhost` as 127.0.0.1 only while the server listens on ::1 only, and the
other way round.
"""

import socket
from contextlib import suppress
from typing import Any

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import NewConnectionError
from urllib3.util.connection import create_connection

ADDRESSES = ("127.0.0.1", "::1")


class _Loopback:
    """Mixin of a connection."""

    def _new_conn(self) -> socket.socket:
        """Connect to what the host resolves to, and for `localhost` to the other address, too."""
        this: Any = self
        try:
            connected: socket.socket = super()._new_conn()  # type: ignore[misc]
            return connected
        except NewConnectionError:
            for address in ADDRESSES if this.host == "localhost" else ():
                with suppress(OSError):
                    return create_connection(
                        (address, this.port), this.timeout, socket_options=this.socket_options
                    )
            raise


class _Connection(_Loopback, HTTPConnection):
    pass


class _TlsConnection(_Loopback, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


POOLS = {"http": _Pool, "https": _TlsPool}
