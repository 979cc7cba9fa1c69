"""Answers without an end, and connections that TLS refuses, against real sockets."""

import gzip
import json
import socket
import threading
import tracemalloc

import pytest
import requests

from extract import settings
from extract.client import http_session
from extract.errors import ApiError
from extract.sandbox.server import ApiServer
from tests.builders import Lists, leads
from tests.conftest import Elt, Query
from tests.servers import CERTIFICATE, OK, raw_server, reset, speak_tls

pytestmark = pytest.mark.usefixtures("without_models")
URL = "SOURCES__ANALYTICS_API__BASE_URL"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
MIB = 2**20


def with_length(body: bytes, header: bytes = b"") -> bytes:
    return OK + header + b"Content-Length: %d\r\n\r\n" % len(body) + body


def test_an_answer_that_is_announced_too_large_is_not_read(
    elt: Elt, monkeypatch: pytest.MonkeyPatch, waits: list[float]
) -> None:
    never = threading.Event()

    def announce(connection: socket.socket) -> None:
        connection.sendall(OK + b"Content-Length: %d\r\n\r\n" % (settings.MAX_ANSWER_BYTES + 1))
        never.wait(60)

    with raw_server(announce) as server:
        monkeypatch.setenv(URL, server.url)
        outcome = elt("run")
        never.set()
    assert outcome.exit_code == 1
    assert f"{server.url}leads/list?" in outcome.stderr
    assert "is larger than 128 MiB: set a lower [sources.analytics_api] page_size" in outcome.stderr
    assert server.connections == 1
    assert waits == []


def test_an_answer_that_announces_no_length_is_refused_while_it_is_read(
    elt: Elt, monkeypatch: pytest.MonkeyPatch, waits: list[float]
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
        monkeypatch.setenv(URL, server.url)
        outcome = elt("run")
    assert "is larger than 1 MiB" in outcome.stderr
    assert server.connections == 1
    assert waits == []
    assert sum(sent) < 50 * MIB  # the rest was never read; buffers between the two hold some


def test_a_gzip_bomb_is_refused_before_it_fills_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "MAX_ANSWER_BYTES", 2 * MIB)
    bomb = gzip.compress(bytes(100 * MIB), compresslevel=1)
    assert len(bomb) < 2 * MIB
    with raw_server(with_length(bomb, b"Content-Encoding: gzip\r\n")) as server:
        session = http_session(server.url)
        tracemalloc.start()
        try:
            with pytest.raises(ApiError, match="larger than 2 MiB"):
                session.get(server.url)
            assert tracemalloc.get_traced_memory()[1] < 20 * MIB
        finally:
            tracemalloc.stop()
    assert server.connections == 1


def test_the_limit_is_counted_in_decompressed_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    body = b"0123456789" * 1000
    monkeypatch.setattr(settings, "MAX_ANSWER_BYTES", len(body))
    header = b"Content-Encoding: gzip\r\n"
    with raw_server(with_length(gzip.compress(body), header)) as server:
        assert http_session(server.url).get(server.url).content == body
    with (
        raw_server(with_length(gzip.compress(body + b"!"), header)) as server,
        pytest.raises(ApiError),
    ):
        http_session(server.url).get(server.url)


def test_an_answer_that_trickles_in_for_ever_is_given_up(
    elt: Elt, monkeypatch: pytest.MonkeyPatch, waits: list[float]
) -> None:
    monkeypatch.setattr(settings, "MAX_ANSWER_SECONDS", 0.2)
    ended = threading.Event()

    def trickle(connection: socket.socket) -> None:
        connection.sendall(OK + b"Content-Length: 100000\r\n\r\n")
        for _ in range(500):  # much longer than the limit
            connection.sendall(b" ")
            ended.wait(0.02)

    with raw_server(trickle) as server:
        monkeypatch.setenv(URL, server.url)
        outcome = elt("run")
        ended.set()
    assert outcome.exit_code == 1
    assert "took more than 0.2 s. Tried 4 times" in outcome.stderr
    assert server.connections == 4
    assert waits == [2, 4, 8]


def test_a_server_that_never_answers_is_given_up(elt: Elt, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "TIMEOUTS", (10, 0.2))
    never = threading.Event()

    def keep_silent(_: socket.socket) -> None:
        never.wait(60)

    with raw_server(keep_silent) as server:
        monkeypatch.setenv(URL, server.url)
        outcome = elt("run")
        never.set()
    assert outcome.exit_code == 1
    assert "No whole answer from leads/list" in outcome.stderr
    assert "timed out" in outcome.stderr
    assert "Tried 4 times" in outcome.stderr
    assert len(outcome.stderr.splitlines()) == 1
    assert server.connections == 4


PAGE = json.dumps({"data": {"leads": leads(50)}}).encode()
BROKEN = {
    "length": OK + b"Content-Length: 100000\r\n\r\n" + PAGE,
    "chunk": CHUNKED + b"%x\r\n" % len(PAGE) + PAGE[:100],
    "last chunk": CHUNKED + b"%x\r\n" % len(PAGE) + PAGE + b"\r\n",
    "no chunk": CHUNKED + b"leads\r\n",
    "no gzip": with_length(PAGE, b"Content-Encoding: gzip\r\n"),
    "half a gzip": with_length(gzip.compress(PAGE)[:-100], b"Content-Encoding: gzip\r\n"),
    "no HTTP": b"hello\r\n\r\n",
}


@pytest.mark.parametrize("answer", BROKEN.values(), ids=BROKEN)
def test_an_answer_that_breaks_in_the_middle_is_retried(
    elt: Elt, monkeypatch: pytest.MonkeyPatch, waits: list[float], answer: bytes
) -> None:
    with raw_server(answer) as server:
        monkeypatch.setenv(URL, server.url)
        outcome = elt("run")
    assert outcome.exit_code == 1
    assert "Tried 4 times" in outcome.stderr
    assert waits == [2, 4, 8]


def test_a_body_that_is_read_whole_leaves_its_connection_for_the_next_request() -> None:
    def answer_for_ever(connection: socket.socket) -> None:
        compressed = gzip.compress(b"same")
        while True:
            connection.sendall(
                with_length(compressed, b"Content-Encoding: gzip\r\n")
                if len(served) % 2
                else CHUNKED + b"4\r\nsame\r\n0\r\n\r\n"
            )
            served.append(1)
            if not connection.recv(2**16):
                return

    served: list[int] = []
    with raw_server(answer_for_ever) as server:
        session = http_session(server.url)
        for _ in range(6):
            assert session.get(server.url).content == b"same"
    assert server.connections == 1


@pytest.fixture
def tls_api(lists: Lists, api: ApiServer, monkeypatch: pytest.MonkeyPatch) -> ApiServer:
    lists["leads"] = leads(3)
    monkeypatch.setenv(URL, speak_tls(api))
    return api


def test_a_certificate_that_nobody_trusts_ends_the_run_at_once(
    tls_api: ApiServer, elt: Elt, waits: list[float]
) -> None:
    outcome = elt("run")
    assert outcome.exit_code == 2
    host = tls_api.url.split("/")[2]
    assert f"certificate of {host} was not accepted: self-signed certificate" in (
        outcome.stderr.replace("self signed", "self-signed")
    )
    assert "REQUESTS_CA_BUNDLE" in outcome.stderr
    assert len(outcome.stderr.splitlines()) == 1
    assert tls_api.requests == []
    assert waits == []
    assert elt("check").exit_code == 2


def test_a_certificate_of_requests_ca_bundle_is_trusted(
    tls_api: ApiServer, elt: Elt, query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(CERTIFICATE))
    assert elt("run").exit_code == 0
    assert query("select count(*) from raw.leads") == [(3,)]


def test_a_bundle_that_does_not_exist_is_told_by_its_setting(
    tls_api: ApiServer, elt: Elt, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/no/such/file.pem")
    outcome = elt("run")
    assert outcome.exit_code == 2
    assert "REQUESTS_CA_BUNDLE" in outcome.stderr
    assert "/no/such/file.pem" in outcome.stderr


@pytest.mark.parametrize("break_off", [reset, socket.socket.close], ids=["reset", "end"])
def test_a_tls_handshake_that_breaks_off_is_retried(
    lists: Lists,
    api: ApiServer,
    elt: Elt,
    query: Query,
    waits: list[float],
    monkeypatch: pytest.MonkeyPatch,
    break_off: object,
) -> None:
    lists["leads"] = leads(3)
    assert callable(break_off)
    monkeypatch.setenv(URL, speak_tls(api, break_off, times=3))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(CERTIFICATE))
    assert elt("run").exit_code == 0
    assert waits == [2, 4, 8]
    assert query("select count(*) from raw.leads") == [(3,)]


def test_a_port_without_tls_ends_the_run_at_once(
    api: ApiServer, elt: Elt, waits: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(URL, api.url.replace("http:", "https:"))
    outcome = elt("run")
    assert outcome.exit_code == 2
    assert "No TLS connection to 127.0.0.1" in outcome.stderr
    assert "base_url" in outcome.stderr
    assert waits == []


def test_nothing_in_the_environment_switches_verification_off(
    tls_api: ApiServer, elt: Elt, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.setenv(name, "")
    assert elt("run").exit_code == 2
    with pytest.raises(requests.exceptions.SSLError):
        http_session("https://api.example.com/").get(tls_api.url.replace("http:", "https:"))
