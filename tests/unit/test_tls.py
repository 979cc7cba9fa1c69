"""TLS connections: which certificates are accepted, and which handshakes are retried."""

import socket
from collections.abc import Callable

import pytest
import requests

from extract.client import http_session
from extract.sandbox.server import ApiServer
from tests.support.builders import Lists, leads
from tests.support.servers import CERTIFICATE, reset, speak_tls
from tests.support.sync import Source

URL = "SOURCES__ANALYTICS_API__BASE_URL"


@pytest.fixture
def tls_api(lists: Lists, api: ApiServer, monkeypatch: pytest.MonkeyPatch) -> ApiServer:
    """The API with a certificate that no authority has signed."""
    lists["leads"] = leads(3)
    monkeypatch.setenv(URL, speak_tls(api))
    return api


def test_a_certificate_without_a_known_authority_ends_the_sync_at_once(
    tls_api: ApiServer, source: Source, waits: list[float]
) -> None:
    synced = source.sync()
    assert synced.exit_code == 2
    host = tls_api.url.split("/")[2]
    assert f"certificate of {host} was not accepted: self-signed certificate" in (
        synced.error.replace("self signed", "self-signed")
    )
    assert "REQUESTS_CA_BUNDLE" in synced.error
    assert len(synced.error.splitlines()) == 1
    assert tls_api.requests == []
    assert waits == []


def test_a_certificate_of_requests_ca_bundle_is_accepted(
    tls_api: ApiServer, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(CERTIFICATE))
    synced = source.sync()
    assert synced.exit_code == 0
    assert synced.ids() == [1, 2, 3]


def test_the_error_for_a_bundle_that_does_not_exist_names_its_setting(
    tls_api: ApiServer, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/no/such/file.pem")
    synced = source.sync()
    assert synced.exit_code == 2
    assert "REQUESTS_CA_BUNDLE" in synced.error
    assert "/no/such/file.pem" in synced.error


@pytest.mark.parametrize("break_off", [reset, socket.socket.close], ids=["reset", "end"])
def test_a_tls_handshake_that_breaks_off_is_retried(
    lists: Lists,
    api: ApiServer,
    source: Source,
    waits: list[float],
    monkeypatch: pytest.MonkeyPatch,
    break_off: Callable[[socket.socket], None],
) -> None:
    lists["leads"] = leads(3)
    monkeypatch.setenv(URL, speak_tls(api, break_off, times=3))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(CERTIFICATE))
    synced = source.sync()
    assert synced.exit_code == 0
    assert waits == [2, 4, 8]
    assert synced.ids() == [1, 2, 3]


def test_a_port_without_tls_ends_the_sync_at_once(
    api: ApiServer, source: Source, waits: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(URL, api.url.replace("http:", "https:"))
    synced = source.sync()
    assert synced.exit_code == 2
    assert "No TLS connection to 127.0.0.1" in synced.error
    assert "base_url" in synced.error
    assert waits == []


def test_no_variable_of_the_environment_switches_verification_off(
    tls_api: ApiServer, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.setenv(name, "")
    assert source.sync().exit_code == 2
    with pytest.raises(requests.exceptions.SSLError):
        http_session("https://api.example.com/").get(tls_api.url.replace("http:", "https:"))
