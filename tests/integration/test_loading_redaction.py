"""The API key is in nothing that `elt run` prints, logs and writes, data included."""

import html
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import duckdb
import pytest

from extract.sandbox.server import ApiServer
from tests.support.builders import Lists, Load, at, lead, leads, users
from tests.support.elt import API_KEY, Elt, Outcome, Query
from tests.support.redaction import (
    ECHOES,
    KEY,
    NO_HTTP,
    all_is_logged,
    assert_no_key_in_files,
    assert_no_key_in_log,
    assert_no_key_in_output,
)
from tests.support.servers import raw_server, speak_tls

pytestmark = pytest.mark.usefixtures("without_models", "own_key")
URL = "SOURCES__ANALYTICS_API__BASE_URL"
SETTING = "SOURCES__ANALYTICS_API__API_KEY"
WITH_SECRETS = {
    "password": f"https://user:{KEY}@api.example.com/v1/",
    "user": f"http://{quote(KEY, safe='')}@127.0.0.1/",
    "parameter": f"https://api.example.com/v1/?key={quote(KEY, safe='')}",
    "nothing else": KEY,
}


@pytest.fixture
def own_key(own_settings: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Use the API key that is searched for, and let dlt log what it can."""
    monkeypatch.setenv(SETTING, KEY)
    monkeypatch.setenv("RUNTIME__LOG_LEVEL", "DEBUG")


@pytest.fixture
def api(lists: Lists, monkeypatch: pytest.MonkeyPatch) -> Iterator[ApiServer]:
    """An API that accepts the API key."""
    with ApiServer(lambda: lists, KEY) as server:
        monkeypatch.setenv(URL, server.url)
        yield server


@pytest.fixture(autouse=True)
def log(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """All that is logged."""
    with all_is_logged(caplog):
        yield caplog


def assert_redacted(outcome: Outcome, log: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    """Fail if a command printed, logged or wrote the API key."""
    assert_no_key_in_output(outcome)
    assert_no_key_in_log(log)
    assert_no_key_in_files(tmp_path)


ECHOED = ["body: percent twice", "body that breaks off", "refusal", "header without a colon"]


@pytest.mark.parametrize("echo", ECHOED)
def test_a_failed_run_writes_no_api_key_that_the_api_sent_back(
    api: ApiServer, elt: Elt, log: pytest.LogCaptureFixture, tmp_path: Path, echo: str
) -> None:
    api.fault = at(ECHOES[echo])
    outcome = elt("run", "--debug", "--json")
    assert outcome.exit_code
    assert "Traceback" in outcome.stderr
    assert '"status": "failed"' in outcome.stdout
    assert "Making GET request to" in log.text  # dlt
    assert '"GET /v1/leads/list' in log.text  # urllib3
    assert_redacted(outcome, log, tmp_path)
    assert_redacted(elt("check", "--debug"), log, tmp_path)


def test_a_run_that_gets_no_http_writes_no_api_key(
    elt: Elt, log: pytest.LogCaptureFixture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with raw_server(NO_HTTP["status line"]) as server:
        monkeypatch.setenv(URL, server.url)
        outcome = elt("run", "--debug", "--json")
    assert outcome.exit_code == 1
    assert "Traceback" in outcome.stderr
    assert_redacted(outcome, log, tmp_path)


def test_a_run_that_cannot_connect_writes_no_api_key(
    api: ApiServer,
    elt: Elt,
    log: pytest.LogCaptureFixture,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(URL, speak_tls(api))
    outcome = elt("run", "--debug")
    assert outcome.exit_code == 2
    assert_redacted(outcome, log, tmp_path)


@pytest.mark.parametrize("base_url", WITH_SECRETS.values(), ids=WITH_SECRETS)
@pytest.mark.parametrize("command", ["run", "check"])
def test_a_base_url_with_secrets_in_it_is_not_printed(
    elt: Elt,
    log: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    command: str,
    base_url: str,
) -> None:
    monkeypatch.setenv(URL, base_url)
    outcome = elt(command, "--debug")
    assert outcome.exit_code == 2
    assert "base_url" in outcome.stdout + outcome.stderr
    assert_no_key_in_output(outcome)
    assert_no_key_in_log(log)


@pytest.mark.parametrize(
    "breakage",
    [
        "drop table leads; create view leads as select 1 as obstacle",
        "drop table users",
        "drop table _dlt_loads",
    ],
)
def test_a_load_that_fails_writes_no_api_key(
    loaded: Load,
    elt: Elt,
    log: pytest.LogCaptureFixture,
    data_dir: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    breakage: str,
) -> None:
    with monkeypatch.context() as first:
        first.setenv(SETTING, API_KEY)
        loaded(leads(120), users(3))
    with duckdb.connect(str(data_dir / "warehouse.duckdb")) as connection:
        connection.execute("set search_path = 'raw'")
        connection.execute(breakage)
    outcome = elt("run", "--debug", "--json")
    assert outcome.exit_code == 1, breakage
    assert_redacted(outcome, log, tmp_path)


def test_rows_that_contain_the_api_key_are_stored_without_it(
    lists: Lists,
    api: ApiServer,
    elt: Elt,
    log: pytest.LogCaptureFixture,
    query: Query,
    tmp_path: Path,
) -> None:
    spelled = f"a {KEY}, {quote(KEY)} and {html.escape(KEY)}."
    lists["leads"] = [
        lead(1, name=spelled, attributes={KEY: [KEY]}, **{f"field {KEY}": 1}),
        lead(None, name=spelled),
    ]
    outcome = elt("run", "--debug", "--json")
    assert outcome.exit_code == 0
    assert_redacted(outcome, log, tmp_path)
    assert query("select name, attributes from raw.leads") == [
        ("a ***, *** and ***.", '{"***":["***"]}')
    ]
    assert query("select count(*) from raw.rejected_rows where row_json like '%***%'") == [(1,)]
