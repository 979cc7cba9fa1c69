"""Responses that are too large, too slow or broken off below HTTP, against real sockets."""

import gzip
import json
import socket
import threading
import tracemalloc
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from extract import settings
from extract.client import http_session
from extract.errors import ApiError
from extract.sandbox.server import ApiServer
from tests.support.builders import leads
from tests.support.servers import OK, UNKNOWN_ENCODINGS, raw_server
from tests.support.sync import Source

CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
GZIP = b"Content-Encoding: gzip\r\n"
MIB = 2**20


def with_length(body: bytes, header: bytes = b"") -> bytes:
    return OK + header + b"Content-Length: %d\r\n\r\n" % len(body) + body


def test_a_response_that_is_announced_too_large_is_not_read(
    source: Source, waits: list[float]
) -> None:
    announced = OK + b"Content-Length: %d\r\n\r\n" % (settings.MAX_ANSWER_BYTES + 1)
    with raw_server(announced) as server:
        synced = source.sync(base_url=server.url)
    assert synced.exit_code == 1
    assert f"{server.url}leads/list?" in synced.error
    assert "is larger than 128 MiB: set a lower [sources.analytics_api] page_size" in synced.error
    assert server.connections == 1
    assert waits == []


def test_a_response_of_unknown_length_is_refused_while_it_is_read(
    source: Source, monkeypatch: pytest.MonkeyPatch, waits: list[float]
) -> None:
    monkeypatch.setattr(settings, "MAX_ANSWER_BYTES", MIB)
    sent = []

    def endless(connection: socket.socket) -> None:
        connection.sendall(CHUNKED)
        for _ in range(400):
            connection.sendall(b"40000\r\n" + b"x" * 2**18 + b"\r\n")
            sent.append(2**18)
        connection.sendall(b"0\r\n\r\n")

    with raw_server(endless) as server:
        synced = source.sync(base_url=server.url)
    assert synced.exit_code == 1
    assert "is larger than 1 MiB" in synced.error
    assert server.connections == 1
    assert waits == []
    assert sum(sent) < 50 * MIB  # the rest was never read; buffers between the two store some


def test_a_gzip_bomb_is_refused_before_it_fills_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "MAX_ANSWER_BYTES", 2 * MIB)
    bomb = gzip.compress(bytes(100 * MIB), compresslevel=1)
    assert len(bomb) < 2 * MIB
    with raw_server(with_length(bomb, GZIP)) as server:
        session = http_session(server.url)
        tracemalloc.start()
        try:
            with pytest.raises(ApiError, match="larger than 2 MiB"):
                session.get(server.url)
            assert tracemalloc.get_traced_memory()[1] < 20 * MIB
        finally:
            tracemalloc.stop()
    assert server.connections == 1


def test_the_limit_counts_decompressed_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    body = b"0123456789" * 1000
    monkeypatch.setattr(settings, "MAX_ANSWER_BYTES", len(body))
    with raw_server(with_length(gzip.compress(body), GZIP)) as server:
        assert http_session(server.url).get(server.url).content == body
    with (
        raw_server(with_length(gzip.compress(body + b"!"), GZIP)) as server,
        pytest.raises(ApiError),
    ):
        http_session(server.url).get(server.url)


def test_a_response_that_trickles_in_for_ever_times_out(
    source: Source, monkeypatch: pytest.MonkeyPatch, waits: list[float]
) -> None:
    monkeypatch.setattr(settings, "MAX_ANSWER_SECONDS", 0.1)
    ended = threading.Event()

    def trickle(connection: socket.socket) -> None:
        connection.sendall(OK + b"Content-Length: 100000\r\n\r\n")
        for _ in range(200):  # much longer than the limit
            if ended.wait(0.02):
                return
            connection.sendall(b" ")

    with raw_server(trickle) as server:
        synced = source.sync(base_url=server.url)
        ended.set()
        assert server.wait_for_connections(4) == 4
    assert synced.exit_code == 1
    assert "took more than 0.1 s. Tried 4 times" in synced.error
    assert waits == [2, 4, 8]


def test_a_server_that_never_responds_times_out(
    source: Source, monkeypatch: pytest.MonkeyPatch, waits: list[float]
) -> None:
    monkeypatch.setattr(settings, "TIMEOUTS", (10, 0.1))
    never = threading.Event()

    def keep_silent(_: socket.socket) -> None:
        never.wait(60)

    with raw_server(keep_silent) as server:
        synced = source.sync(base_url=server.url)
        never.set()
        assert server.wait_for_connections(4) == 4
    assert synced.exit_code == 1
    assert "No complete response from leads/list" in synced.error
    assert "timed out" in synced.error
    assert "Tried 4 times" in synced.error
    assert len(synced.error.splitlines()) == 1
    assert waits == [2, 4, 8]


PAGE = json.dumps({"data": {"leads": leads(50)}}).encode()
# after a whole body, a client may reuse a connection unless a header says that the server closes it
CLOSED_GZIP = GZIP + b"Connection: close\r\n"
BROKEN = {
    "length": OK + b"Content-Length: 100000\r\n\r\n" + PAGE,
    "chunk": CHUNKED + b"%x\r\n" % len(PAGE) + PAGE[:100],
    "last chunk": CHUNKED + b"%x\r\n" % len(PAGE) + PAGE + b"\r\n",
    "no chunk": CHUNKED + b"leads\r\n",
    "no gzip": with_length(PAGE, CLOSED_GZIP),
    "half a gzip": with_length(gzip.compress(PAGE)[:-100], CLOSED_GZIP),
    "no HTTP": b"hello\r\n\r\n",
}


@pytest.mark.parametrize("response", BROKEN.values(), ids=BROKEN)
def test_a_response_that_breaks_off_is_retried(
    source: Source, waits: list[float], response: bytes
) -> None:
    with raw_server(response) as server:
        synced = source.sync(base_url=server.url)
        assert server.wait_for_connections(4) == 4
    assert synced.exit_code == 1
    assert "Tried 4 times" in synced.error
    assert len(synced.error.splitlines()) == 1
    assert waits == [2, 4, 8]


@pytest.mark.parametrize("encoding", [*UNKNOWN_ENCODINGS, "x-new, gzip"])
def test_a_content_encoding_that_cannot_be_decoded_ends_the_sync_and_is_named(
    source: Source, waits: list[float], encoding: str
) -> None:
    body = gzip.compress(PAGE) if "gzip" in encoding else b"{\x8b\x02" + PAGE
    with raw_server(with_length(body, f"Content-Encoding: {encoding}\r\n".encode())) as server:
        synced = source.sync(base_url=server.url)
    assert synced.exit_code == 1
    assert encoding.split(",")[0] in synced.error
    assert "lead1@example.com" not in synced.error
    assert "\\x" not in synced.error
    assert "end_of_list" not in synced.error
    assert bool(waits) == ("gzip" in encoding), "a body that is not decoded may be broken"


def test_a_status_counts_more_than_a_content_encoding_that_cannot_be_decoded(
    source: Source, waits: list[float]
) -> None:
    busy = with_length(b"\x8b\x02\x80", b"Connection: close\r\nContent-Encoding: x-new\r\n")
    with raw_server(busy.replace(b"200 OK", b"503 Busy")) as server:
        synced = source.sync(base_url=server.url)
    assert "is HTTP 503: it cannot be decoded from its content encoding 'x-new'" in synced.error
    assert waits == [2, 4, 8]


@pytest.mark.parametrize(("body", "retried"), [(b"\x8b\x02\x80\xffZoe", False), (PAGE, True)])
def test_garbage_in_place_of_a_compressed_body_is_named_by_its_encoding(
    source: Source, waits: list[float], body: bytes, retried: bool
) -> None:
    """A decoder takes some garbage for the beginning of a text."""
    header = b"Content-Encoding: deflate\r\nConnection: close\r\n"
    with raw_server(with_length(body, header)) as server:
        synced = source.sync(base_url=server.url)
    assert synced.exit_code == 1
    assert bool(waits) == retried
    assert "deflate" in synced.error
    assert "Z" not in synced.error
    assert "lead1@" not in synced.error


def test_only_encodings_that_can_always_be_decoded_are_asked_for(
    full_api: ApiServer, source: Source
) -> None:
    source.sync()
    assert {request.headers["accept-encoding"] for request in full_api.requests} == {
        "gzip, deflate"
    }


LEFT_OVER = b'zoe@example.com"}]}}\r\n\r\n'


NO_HTTP = {
    "status line": LEFT_OVER,
    "version": b"HTTP/zoe@example.com\r\n\r\n",
    "chunk": CHUNKED + LEFT_OVER,
    "chunk of a text": CHUNKED + b"zoe@example.com\r\n" + PAGE,
}


@pytest.mark.parametrize("response", NO_HTTP.values(), ids=NO_HTTP)
def test_what_comes_in_place_of_http_is_not_shown(
    source: Source, waits: list[float], response: bytes
) -> None:
    """A body that is longer than announced leaves its rest, with rows, for the next response."""
    with raw_server(response) as server:
        synced = source.sync(base_url=server.url)
    assert "No complete response from leads/list: " in synced.error
    assert "what it sent is not HTTP" in synced.error or "IncompleteRead(0 bytes" in synced.error
    assert "zoe" not in synced.error
    assert waits == [2, 4, 8]


class Ipv6Server(ThreadingHTTPServer):
    """A server."""

    address_family = socket.AF_INET6


class EmptyPage(BaseHTTPRequestHandler):
    """Sends an empty page of both endpoints."""

    def do_GET(self) -> None:
        """Respond."""
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"data": {"leads": [], "users": []}}')

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing."""


@pytest.mark.parametrize("host", ["localhost", "[::1]", "LOCALHOST"])
@pytest.mark.parametrize("resolved", ["127.0.0.1", "::1"])
def test_a_server_that_listens_on_ipv6_only_is_reached(
    source: Source, monkeypatch: pytest.MonkeyPatch, host: str, resolved: str
) -> None:
    """Whichever address the resolver has for `localhost`."""
    resolve = socket.getaddrinfo

    def getaddrinfo(name: Any, *arguments: Any, **options: Any) -> Any:
        return resolve(resolved if name == "localhost" else name, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    with Ipv6Server(("::1", 0), EmptyPage) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        synced = source.sync(base_url=f"http://{host}:{server.server_port}/")
        server.shutdown()
    assert synced.exit_code == 0, synced.error


def test_a_server_that_listens_on_ipv4_only_is_reached_where_localhost_is_ipv6(
    full_api: ApiServer, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolve = socket.getaddrinfo
    monkeypatch.setattr(
        socket,
        "getaddrinfo",
        lambda name, *rest, **options: resolve(
            "::1" if name == "localhost" else name, *rest, **options
        ),
    )
    synced = source.sync(base_url=full_api.url.replace("127.0.0.1", "localhost"))
    assert synced.exit_code == 0, synced.error


def test_a_body_that_was_read_completely_leaves_its_connection_for_the_next_request() -> None:
    def respond(connection: socket.socket) -> None:
        compressed = gzip.compress(b"same")
        while True:
            connection.sendall(
                with_length(compressed, GZIP)
                if len(served) % 2
                else CHUNKED + b"4\r\nsame\r\n0\r\n\r\n"
            )
            served.append(1)
            if not connection.recv(2**16):
                return

    served: list[int] = []
    with raw_server(respond) as server:
        session = http_session(server.url)
        for _ in range(6):
            assert session.get(server.url).content == b"same"
    assert server.connections == 1
