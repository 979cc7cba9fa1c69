"""The API key is in no error, traceback or log record, whatever the API sends back."""

import base64
import html
from collections.abc import Iterator
from urllib.parse import quote

import pytest

from extract.errors import SettingsError
from extract.masking import without_key, without_passwords
from extract.pipeline import configured_base_url
from extract.sandbox.server import ApiServer, Reply
from tests.support.builders import (
    FINAL,
    NO_LIST,
    PASSING,
    RATE_LIMITED,
    REFUSALS,
    Lists,
    at,
    lead,
    leads,
    user,
)
from tests.support.redaction import (
    ECHOES,
    KEY,
    NO_HTTP,
    SPELLINGS,
    all_is_logged,
    assert_no_key,
    assert_no_key_in_failure,
    assert_no_key_in_log,
)
from tests.support.servers import raw_server, speak_tls
from tests.support.sync import Source, Synced, check

URL = "SOURCES__ANALYTICS_API__BASE_URL"
API_KEY = "SOURCES__ANALYTICS_API__API_KEY"


@pytest.fixture
def api(lists: Lists, monkeypatch: pytest.MonkeyPatch) -> Iterator[ApiServer]:
    """An API of some contacts that accepts the API key."""
    lists["leads"], lists["users"] = leads(3), [user("u1", 7)]
    with ApiServer(lambda: lists, KEY) as server:
        monkeypatch.setenv(URL, server.url)
        yield server


@pytest.fixture
def log(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> Iterator[pytest.LogCaptureFixture]:
    """All log records of a sync with the API key."""
    monkeypatch.setenv(API_KEY, KEY)
    with all_is_logged(caplog):
        yield caplog


def assert_redacted(synced: Synced, log: pytest.LogCaptureFixture) -> None:
    """Fail if a failed sync shows the API key."""
    assert synced.exit_code
    assert_no_key("the message", synced.error.encode())
    assert_no_key_in_failure(synced.raised)
    assert_no_key_in_failure(synced.failure)
    assert_no_key_in_log(log)


@pytest.mark.parametrize("spelling", SPELLINGS.values(), ids=SPELLINGS)
def test_the_search_itself_finds_every_spelling(spelling: str) -> None:
    with pytest.raises(AssertionError):
        assert_no_key("a text", f"a text with {spelling}.".encode())


REPLIES = {**REFUSALS, **NO_LIST, **PASSING, **RATE_LIMITED, **FINAL}


@pytest.mark.parametrize("reply", REPLIES.values(), ids=REPLIES)
def test_no_failure_shows_the_api_key(
    api: ApiServer, source: Source, log: pytest.LogCaptureFixture, reply: Reply
) -> None:
    api.fault = at(reply)
    synced = source.sync()
    assert "Making GET request to" in log.text  # dlt
    assert '"GET /v1/leads/list' in log.text or reply.reset  # urllib3
    assert_redacted(synced, log)


@pytest.mark.parametrize("reply", ECHOES.values(), ids=ECHOES)
def test_an_api_key_that_the_api_sends_back_is_not_shown(
    api: ApiServer, source: Source, log: pytest.LogCaptureFixture, reply: Reply
) -> None:
    api.fault = at(reply)
    synced = source.sync()
    assert "Making GET request to" in log.text
    assert_redacted(synced, log)
    if b"No project" in reply.body:
        assert "is HTTP 400: No project" in synced.error, "it still names the reason"
    assert_redacted(check(), log)


@pytest.mark.parametrize("response", NO_HTTP.values(), ids=NO_HTTP)
def test_a_response_that_is_hardly_http_does_not_show_the_api_key(
    source: Source, log: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, response: bytes
) -> None:
    with raw_server(response) as server:
        monkeypatch.setenv(URL, server.url)
        for synced in (source.sync(), check()):
            assert synced.exit_code == 1
            assert_redacted(synced, log)


@pytest.mark.parametrize("echo", ["ab/cd+ef==", r"ab\/cd+ef==", "ab%2Fcd%2Bef%3D%3D"])
def test_a_short_api_key_is_masked_in_errors_too(
    api: ApiServer, source: Source, monkeypatch: pytest.MonkeyPatch, echo: str
) -> None:
    api.api_key = "ab/cd+ef=="
    monkeypatch.setenv(API_KEY, api.api_key)
    api.fault = at(Reply(400, f"no project for {echo}".encode()))
    synced = source.sync()
    assert "no project for ***" in synced.error
    assert echo not in synced.error


@pytest.mark.parametrize("key", ["key", "127", "self"])
def test_an_api_key_that_is_a_common_word_hides_no_reason(
    api: ApiServer,
    source: Source,
    waits: list[float],
    monkeypatch: pytest.MonkeyPatch,
    key: str,
) -> None:
    monkeypatch.setenv(API_KEY, key)
    monkeypatch.setenv(URL, speak_tls(api))
    synced = source.sync()
    assert synced.exit_code == 2
    assert "The certificate of 127.0.0.1" in synced.error
    assert waits == []


def test_an_api_with_an_unknown_certificate_is_not_sent_the_api_key(
    api: ApiServer,
    source: Source,
    log: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(URL, speak_tls(api))
    for synced in (source.sync(), check()):
        assert synced.exit_code == 2
        assert_redacted(synced, log)
    assert api.requests == []


def test_an_api_that_cannot_be_reached_does_not_betray_the_api_key(
    source: Source, log: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ApiServer(lambda: {}, KEY) as gone:
        monkeypatch.setenv(URL, gone.url)
    for synced in (source.sync(), check()):
        assert synced.exit_code == 1
        assert "No complete response" in synced.error
        assert_redacted(synced, log)


SECRET = quote(KEY, safe="")
WITH_SECRETS = {
    "user and password": f"https://user:{SECRET}@api.example.com/v1/",
    "password as it is": f"https://user:{KEY}@api.example.com/v1/",
    "user": f"http://{SECRET}@127.0.0.1/",
    "parameter": f"https://api.example.com/v1/?key={SECRET}",
    "fragment": f"https://api.example.com/v1/#{SECRET}",
    "port": f"https://api.example.com:{SECRET}/",
    "nothing else": KEY,
}


@pytest.mark.parametrize("base_url", WITH_SECRETS.values(), ids=WITH_SECRETS)
def test_a_base_url_with_secrets_in_it_is_refused_unseen(
    source: Source, log: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, base_url: str
) -> None:
    monkeypatch.setenv(URL, base_url)
    with pytest.raises(SettingsError) as refused:
        configured_base_url()
    assert_no_key_in_failure(refused.value)
    synced = source.sync()
    assert synced.exit_code == 2
    assert_redacted(synced, log)


def test_rows_that_contain_the_api_key_are_yielded_without_it(
    lists: Lists, api: ApiServer, source: Source, log: pytest.LogCaptureFixture
) -> None:
    spelled = f"a {KEY}, {quote(KEY)} and {html.escape(KEY)}."
    lists["leads"] = [
        lead(1, name=spelled, attributes={KEY: [KEY]}, **{f"field {KEY}": 1}),
        lead(None, name=spelled),
    ]
    synced = source.sync()
    assert synced.exit_code == 0
    (row,) = synced.rows["leads"]
    assert (row["name"], row["attributes"]) == ("a ***, *** and ***.", '{"***":["***"]}')
    (rejected,) = synced.rejected
    assert "***" in rejected["row_json"]
    assert_no_key("a row", repr(row).encode(), repr(rejected).encode())
    assert_no_key_in_log(log)


def test_a_short_api_key_leaves_rows_as_they_are(
    api: ApiServer, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A row may contain it by chance."""
    api.api_key = "teal"
    monkeypatch.setenv(API_KEY, "teal")
    rows = source.sync().rows["leads"]
    assert {row["attributes"] for row in rows} == {'{"favourite_colour":"teal"}'}


@pytest.mark.parametrize("before", ["", "x", "xy"])
def test_an_api_key_in_either_alphabet_of_base64_is_masked(before: str) -> None:
    key = "key>>>>???o~~~k"
    text = f"{before}{key} behind".encode()
    encoded = base64.b64encode(text).decode()
    assert {"+", "/"} < set(encoded), "where the alphabets differ"
    for spelling in (encoded, base64.urlsafe_b64encode(text).decode()):
        masked = without_key(spelling, key)
        assert "***" in masked
        assert spelling[8:16] not in masked


def test_passwords_of_urls_are_masked() -> None:
    assert without_passwords("no postgresql://elt:s3@cret:x@db:5432/x here") == (
        "no postgresql://elt:***@db:5432/x here"
    )


def test_a_text_is_left_as_it_is_where_there_is_no_api_key() -> None:
    assert without_key("a text", "") == "a text"
