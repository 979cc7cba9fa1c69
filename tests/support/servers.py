"""Servers that misbehave below HTTP, or speak TLS, on loopback."""

import contextlib
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from urllib3 import HTTPResponse

from extract.sandbox import ApiServer
from extract.sandbox.server import ListRequest

CERTIFICATE = Path(__file__).with_name("no_secret_test_server.pem")
PATIENCE = 60  # seconds that a thread may need on a busy machine
OK = b"HTTP/1.1 200 OK\r\n"
# content encodings that urllib3 does not decode here: newer versions of Python have zstd
UNKNOWN_ENCODINGS = [
    name for name in ("br", "zstd", "x-new") if name not in HTTPResponse.CONTENT_DECODERS
]


def listed(requests: Iterable[ListRequest], name: str = "leads") -> list[int]:
    """Return the pages of an endpoint that listings requested, in their order.

    What a full sync requests to prove a listing of a list at rest is left out: a page in ascending
    order, and the first page once more.
    """
    pages: list[int] = []
    is_proof = False
    for request in requests:
        if request.name != name:
            continue
        if request.params.get("sort_direction") == "asc":
            is_proof = True
        elif is_proof and request.page == 0:
            is_proof = False
        else:
            pages.append(request.page)
    return pages


def pages_asked(api: ApiServer, name: str = "leads", after: int = 0) -> list[int]:
    """Return the pages of an endpoint that listings requested, in the order of the requests.

    Args:
        api: the API.
        name: `leads` or `users`.
        after: leaves out so many earlier requests, of both endpoints.
    """
    return listed(api.requests[after:], name)


class RawServer:
    """Answers each connection with what `answer` writes to it, once a request has come."""

    def __init__(self, answer: Callable[[socket.socket], None]) -> None:
        self.answer = answer
        self.connections = 0
        self._connected = threading.Condition()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}/"

    def serve(self) -> None:
        """Answer connections until the listener is closed."""
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                with self._connected:
                    self.connections += 1
                    self._connected.notify_all()
                threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def wait_for_connections(self, expected: int) -> int:
        """Return how many connections were accepted, once there are as many as expected.

        The thread that accepts them may run only after the client has given up.
        """
        with self._connected:
            self._connected.wait_for(lambda: self.connections >= expected, PATIENCE)
            return self.connections

    def _answer(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):  # the client has hung up
            connection.recv(2**16)
            self.answer(connection)


@contextlib.contextmanager
def raw_server(answer: bytes | Callable[[socket.socket], None]) -> Iterator[RawServer]:
    """Serve bytes, or what a function sends, to every connection."""
    server = RawServer(answer if callable(answer) else lambda c: c.sendall(answer))
    with server.listener:
        threading.Thread(target=server.serve, daemon=True).start()
        yield server
        with contextlib.suppress(OSError):  # not needed everywhere
            # wakes the thread that waits for the next connection
            server.listener.shutdown(socket.SHUT_RDWR)


def reset(connection: socket.socket) -> None:
    """End a connection with a reset instead of an orderly end."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def speak_tls(
    api: ApiServer, break_off: Callable[[socket.socket], None] | None = None, times: int = 0
) -> str:
    """Make an API speak TLS, after breaking off so many handshakes, and return its root."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    http: Any = api._http
    left = [times]

    def get_request() -> tuple[socket.socket, Any]:
        connection, address = http.socket.accept()
        if break_off and left[0]:
            left[0] -= 1
            connection.recv(2**16)
            break_off(connection)
            raise OSError("a handshake that was broken off")
        return context.wrap_socket(connection, server_side=True), address

    http.get_request = get_request
    return api.url.replace("http:", "https:")
