"""Each class of failure of the API, as `elt run` reports it; tests/unit has all their variants."""

import pytest

from extract import settings
from extract.sandbox.server import ApiServer, Reply
from tests.support.builders import (
    FINAL,
    NO_LIST,
    PASSING,
    REFUSALS,
    Lists,
    Load,
    at,
    leads,
    moment,
    users,
)
from tests.support.elt import API_KEY, Elt, Query
from tests.support.servers import CERTIFICATE, OK, raw_server, speak_tls

pytestmark = pytest.mark.usefixtures("without_models")
URL = "SOURCES__ANALYTICS_API__BASE_URL"


FAILURES = {
    "refused API key": (REFUSALS["500 token not found"], 2, "The API refused the key (HTTP 500"),
    "response without the list": (NO_LIST["empty object"], 1, "has no list at data.leads: {}"),
    "error as a success": (NO_LIST["error dressed as 200"], 1, "is an error dressed as a success"),
    "4xx": (FINAL["422"], 1, "is HTTP 422: Bad parameter."),
    "not JSON": (FINAL["HTML dressed as 200"], 1, "is not JSON: an HTML page: Bad"),
    "redirect": (
        Reply(302, headers={"Location": "https://b.example.com/"}),
        1,
        "The API redirects",
    ),
    "retry in an hour": (Reply(429, headers={"Retry-After": "3600"}), 1, "asks to come back"),
}


@pytest.mark.parametrize(("reply", "exit_code", "message"), FAILURES.values(), ids=FAILURES)
def test_a_failure_ends_the_run_at_once_with_one_line_on_stderr(
    lists: Lists,
    api: ApiServer,
    elt: Elt,
    waits: list[float],
    reply: Reply,
    exit_code: int,
    message: str,
) -> None:
    lists["leads"] = leads(3)
    api.fault = at(reply)
    outcome = elt("run")
    assert outcome.exit_code == exit_code
    assert outcome.stderr.startswith("elt: ")
    assert message in outcome.stderr
    assert len(outcome.stderr.splitlines()) == 1
    assert outcome.stdout == ""
    assert API_KEY not in outcome.stderr
    assert [request.name for request in api.requests] == ["leads"]
    assert waits == []


@pytest.mark.parametrize("reply", ["503", "connection reset", "JSON that breaks off"])
def test_a_failure_that_does_not_pass_ends_the_run_after_three_retries(
    lists: Lists, api: ApiServer, elt: Elt, waits: list[float], reply: str
) -> None:
    lists["leads"] = leads(3)
    api.fault = at(PASSING[reply])
    outcome = elt("run")
    assert outcome.exit_code == 1
    assert len(outcome.stderr.splitlines()) == 1
    assert "leads/list" in outcome.stderr
    assert "Tried 4 times. Nothing was loaded; run again later." in outcome.stderr
    assert waits == [2, 4, 8]


def test_a_failure_that_passes_is_no_failure(
    lists: Lists, api: ApiServer, elt: Elt, query: Query, waits: list[float]
) -> None:
    lists["leads"] = leads(60)
    api.fault = at(PASSING["503"], page=1, times=3)
    outcome = elt("run")
    assert (outcome.exit_code, outcome.stderr) == (0, "")
    assert waits == [2, 4, 8]
    assert query("select count(*) from raw.leads") == [(60,)]


def test_a_run_that_fails_changes_nothing_and_the_next_loads_what_is_missing(
    lists: Lists, api: ApiServer, loaded: Load, elt: Elt, query: Query
) -> None:
    loaded(leads(120), users(3))
    tables = [
        name
        for (name,) in query(
            "select table_name from information_schema.tables where table_schema = 'raw'"
        )
    ]
    before = {table: query(f"from raw.{table} order by all") for table in tables}
    lists["leads"] = [{**row, "last_update": moment(-5), "name": "new"} for row in lists["leads"]]
    lists["users"][0]["name"] = "new"
    api.fault = at(NO_LIST["error beside an empty list"], page=2)
    assert elt("run").exit_code == 1
    assert {table: query(f"from raw.{table} order by all") for table in tables} == before
    api.fault = None
    assert elt("run").exit_code == 0
    assert query("select count(*) from raw.leads where name = 'new'") == [(120,)]
    assert query("select count(*) from raw.users where name = 'new'") == [(1,)]


@pytest.mark.parametrize("command", ["run", "check"])
def test_a_certificate_without_a_known_authority_is_a_wrong_setting(
    api: ApiServer, elt: Elt, waits: list[float], monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setenv(URL, speak_tls(api))
    outcome = elt(command)
    assert outcome.exit_code == 2
    (line,) = (outcome.stderr or outcome.stdout.splitlines()[-1]).splitlines()
    assert "The certificate of 127.0.0.1" in line
    assert "REQUESTS_CA_BUNDLE" in line
    assert api.requests == []
    assert waits == []


def test_a_certificate_of_requests_ca_bundle_is_accepted(
    lists: Lists, api: ApiServer, elt: Elt, query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    lists["leads"] = leads(3)
    monkeypatch.setenv(URL, speak_tls(api))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(CERTIFICATE))
    assert elt("run").exit_code == 0
    assert query("select count(*) from raw.leads") == [(3,)]


def test_a_body_that_is_too_large_ends_the_run(elt: Elt, monkeypatch: pytest.MonkeyPatch) -> None:
    body = b"%d" % (settings.MAX_ANSWER_BYTES + 1)
    with raw_server(OK + b"Content-Length: " + body + b"\r\n\r\n") as server:
        monkeypatch.setenv(URL, server.url)
        outcome = elt("run")
    assert outcome.exit_code == 1
    assert "is larger than 128 MiB" in outcome.stderr
    assert len(outcome.stderr.splitlines()) == 1
    assert server.connections == 1
