"""Each way an API fails: the run fails, or retries, and never takes it for the list's end."""

import socket
import threading

import pytest
from requests import Response

from extract import settings
from extract.answers import is_cut_short
from extract.client import api_root
from extract.errors import SettingsError
from extract.sandbox.server import ApiServer, ListRequest, Reply
from tests.builders import (
    FINAL,
    NO_LIST,
    PASSING,
    REFUSALS,
    Lists,
    at,
    leads,
    moment,
    users,
)
from tests.conftest import API_KEY, Elt, Query

pytestmark = pytest.mark.usefixtures("without_models")


@pytest.fixture(autouse=True)
def full_lists(lists: Lists, api: ApiServer) -> None:
    """200 leads on 4 pages and 60 users on 2, each list with an empty page behind."""
    lists["leads"], lists["users"] = leads(200), users(60)


def loaded(query: Query) -> list[int]:
    return [number for (number,) in query("select crmhero_user_id from raw.leads order by 1")]


def requests_of(api: ApiServer, page: int = 0) -> int:
    return sum((r.name, r.page) == ("leads", page) for r in api.requests)


@pytest.mark.parametrize("page", [0, 2])
@pytest.mark.parametrize("reply", REFUSALS.values(), ids=REFUSALS)
def test_a_refused_key_fails_at_once_and_says_where_to_set_it(
    api: ApiServer, elt: Elt, reply: Reply, page: int
) -> None:
    api.fault = at(reply, page=page)
    outcome = elt("run")
    assert outcome.exit_code == 2
    assert requests_of(api, page) == 1
    assert "refused the key" in outcome.stderr
    assert ".dlt/secrets.toml" in outcome.stderr
    assert "SOURCES__ANALYTICS_API__API_KEY" in outcome.stderr
    assert API_KEY not in outcome.stderr


def test_a_wrong_key_is_refused_by_the_server_itself(
    elt: Elt, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCES__ANALYTICS_API__API_KEY", "another-key")
    outcome = elt("run")
    assert outcome.exit_code == 2
    assert "refused the key" in outcome.stderr


@pytest.mark.parametrize("page", [0, 4])
@pytest.mark.parametrize("reply", NO_LIST.values(), ids=NO_LIST)
def test_an_answer_without_the_list_is_never_its_end(
    api: ApiServer, elt: Elt, query: Query, reply: Reply, page: int
) -> None:
    api.fault = at(reply, page=page)
    outcome = elt("run")
    assert outcome.exit_code == 1
    assert requests_of(api, page) == 1
    assert f"leads/list?sort=last_update&sort_direction=desc&per_page=50&page={page}" in (
        outcome.stderr
    )
    api.fault = None
    assert elt("run").exit_code == 0
    assert loaded(query) == list(range(1, 201))


@pytest.mark.parametrize("reply", [*NO_LIST.values(), *FINAL.values(), PASSING["503"]])
def test_a_failed_read_changes_nothing_and_the_next_run_fills_the_hole(
    lists: Lists, api: ApiServer, elt: Elt, query: Query, reply: Reply
) -> None:
    assert elt("run").exit_code == 0
    before = query("select * from raw.leads order by all")
    lists["leads"] = [{**row, "last_update": moment(-5), "name": "new"} for row in lists["leads"]]
    api.fault = at(reply, page=2)
    assert elt("run").exit_code == 1
    assert query("select * from raw.leads order by all") == before
    api.fault = None
    assert elt("run").exit_code == 0
    assert query("select count(*) from raw.leads where name = 'new'") == [(200,)]


@pytest.mark.parametrize("page", [0, 4])
@pytest.mark.parametrize("reply", PASSING.values(), ids=PASSING)
def test_a_passing_failure_is_retried(
    api: ApiServer, elt: Elt, query: Query, reply: Reply, page: int
) -> None:
    api.fault = at(reply, page=page, times=3)
    assert elt("run").exit_code == 0
    assert requests_of(api, page) == 4
    assert loaded(query) == list(range(1, 201))


@pytest.mark.parametrize("reply", PASSING.values(), ids=PASSING)
def test_a_failure_that_does_not_pass_ends_the_run_after_three_retries(
    api: ApiServer, elt: Elt, waits: list[float], reply: Reply
) -> None:
    api.fault = at(reply)
    outcome = elt("run")
    assert outcome.exit_code == 1
    assert requests_of(api) == 4
    assert waits == [2, 4, 8]
    assert "Tried 4 times" in outcome.stderr
    assert "leads/list" in outcome.stderr


def test_a_time_out_is_retried(
    api: ApiServer, elt: Elt, query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    never = threading.Event()

    def hang(request: ListRequest) -> None:
        never.wait(timeout=60)

    monkeypatch.setattr(settings, "TIMEOUTS", (10, 2))
    api.fault = at(hang, page=1, times=1)
    try:
        assert elt("run").exit_code == 0
    finally:
        never.set()
    assert requests_of(api, 1) == 2
    assert loaded(query) == list(range(1, 201))


def test_retry_after_is_honoured(api: ApiServer, elt: Elt, waits: list[float]) -> None:
    api.fault = at(Reply.of_json({}, 429, Retry_After="17"), page=1, times=1)
    assert elt("run").exit_code == 0
    assert waits == [17]


@pytest.mark.parametrize(
    "value",
    [
        "301",
        "9" * 400,
        "Wed, 01 Jan 2098 00:00:00 GMT",
        "Wed, 01 Jan 2098 00:00:00 -0000",
        "Wed, 01 Jan 99999999999 00:00:00 GMT",
    ],
)
def test_a_retry_after_of_more_than_5_minutes_ends_the_run_at_once(
    api: ApiServer, elt: Elt, waits: list[float], value: str
) -> None:
    api.fault = at(Reply.of_json({}, 429, Retry_After=value), page=1)
    outcome = elt("run")
    assert outcome.exit_code == 1
    assert requests_of(api, 1) == 1
    assert waits == []
    assert "asks to come back in" in outcome.stderr


@pytest.mark.parametrize(
    "value",
    ["0", "soon", "-3", "Wed, 01 Jan 2020 00:00:00 GMT", "Mon, 01 Jan 20245 00:00:00 GMT"],
)
def test_an_odd_retry_after_falls_back_to_the_usual_wait(
    api: ApiServer, elt: Elt, waits: list[float], value: str
) -> None:
    api.fault = at(Reply.of_json({}, 503, Retry_After=value), page=1, times=1)
    assert elt("run").exit_code == 0
    assert waits == [2]


@pytest.mark.parametrize("reply", FINAL.values(), ids=FINAL)
def test_another_answer_fails_at_once_with_status_url_and_body(
    api: ApiServer, elt: Elt, waits: list[float], reply: Reply
) -> None:
    api.fault = at(reply, page=1)
    outcome = elt("run")
    assert outcome.exit_code == 1
    assert requests_of(api, 1) == 1
    assert waits == []
    assert "per_page=50&page=1" in outcome.stderr
    assert (str(reply.status) if reply.status != 200 else "is not JSON") in outcome.stderr
    assert reply.body.decode()[:20] in outcome.stderr


@pytest.mark.parametrize("echo", ["ab/cd+ef==", r"ab\/cd+ef==", "ab%2Fcd%2Bef%3D%3D"])
def test_a_body_that_echoes_the_key_is_shown_without_it(
    api: ApiServer, elt: Elt, monkeypatch: pytest.MonkeyPatch, echo: str
) -> None:
    api.api_key = "ab/cd+ef=="
    monkeypatch.setenv("SOURCES__ANALYTICS_API__API_KEY", api.api_key)
    api.fault = at(Reply(400, f"no project for {echo}".encode()))
    outcome = elt("run")
    assert "no project for ***" in outcome.stderr
    assert echo not in outcome.stderr


@pytest.mark.parametrize("cut_at", range(1, 60))
def test_a_body_is_cut_short_wherever_it_breaks_off(cut_at: int) -> None:
    body = '{"data": {"leads": [{"name": "Chlo\u00e9 \\u00e9", "n": [null, -1.5e3]}]}}'.encode()
    response = Response()
    response._content = body[:cut_at]
    assert is_cut_short(response)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"nothing",
        b"<html>",
        b'{"data": <b>Warning</b> ...}',
        b'{"data": {}} <br>Warning',
        b'{"data": {}}}',
        b'{"data": ' + b"9" * 5000 + b"}",
        b"\xff",
    ],
)
def test_other_bodies_are_not_cut_short(body: bytes) -> None:
    response = Response()
    response._content = body
    assert not is_cut_short(response)


def test_three_identical_pages_fail_and_name_the_settings(api: ApiServer, elt: Elt) -> None:
    same = Reply.of_json({"data": {"leads": leads(50)}})
    api.fault = lambda request: same if request.name == "leads" else None
    outcome = elt("run")
    assert outcome.exit_code == 1
    assert sum(r.name == "leads" for r in api.requests) == 3
    assert "`page`" in outcome.stderr
    assert "first_page" in outcome.stderr


def test_two_identical_pages_are_no_failure(api: ApiServer, elt: Elt, query: Query) -> None:
    """An API that counts from 1 may answer page 0 with page 1."""
    api.fault = at(Reply.of_json({"data": {"leads": leads(50)}}), page=1)
    assert elt("run").exit_code == 0
    assert len(loaded(query)) == 150


def test_first_page_is_a_setting(
    api: ApiServer, elt: Elt, query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCES__ANALYTICS_API__FIRST_PAGE", "1")
    assert elt("run").exit_code == 0
    assert loaded(query) == list(range(51, 201))


def test_a_page_capped_below_what_was_asked_is_not_the_end(
    api: ApiServer, elt: Elt, query: Query
) -> None:
    api.max_per_page = 30
    assert elt("run").exit_code == 0
    assert loaded(query) == list(range(1, 201))


def past_the_end(request: ListRequest) -> Reply | None:
    last = {"leads": 3, "users": 1}[request.name]
    return (
        Reply.of_json({"error": {"message": "No such page."}}, 404) if request.page > last else None
    )


def test_an_api_that_errs_past_the_end_is_told_of_end_of_list(api: ApiServer, elt: Elt) -> None:
    api.fault = past_the_end
    outcome = elt("run")
    assert outcome.exit_code == 1
    assert 'end_of_list = "short_page"' in outcome.stderr


def test_a_short_page_ends_the_list_where_set(
    lists: Lists, api: ApiServer, elt: Elt, query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCES__ANALYTICS_API__END_OF_LIST", "short_page")
    lists["leads"] = leads(199)
    api.fault = past_the_end
    assert elt("run").exit_code == 0
    assert loaded(query) == list(range(1, 200))


def test_a_full_last_page_before_an_error_asks_for_another_page_size(
    api: ApiServer, elt: Elt, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCES__ANALYTICS_API__END_OF_LIST", "short_page")
    api.fault = past_the_end
    outcome = elt("run")
    assert outcome.exit_code == 1
    assert "page_size" in outcome.stderr


@pytest.mark.parametrize("page", [0, 2])
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_to_another_server_brings_it_nothing(
    api: ApiServer, elt: Elt, waits: list[float], status: int, page: int
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        place = f"http://127.0.0.1:{other.getsockname()[1]}/v1/leads/list"
        api.fault = at(Reply(status, headers={"Location": f"{place}?page={page}"}), page=page)
        outcome = elt("run")
        other.setblocking(False)
        with pytest.raises(BlockingIOError):  # nobody has ever connected
            other.accept()
    assert outcome.exit_code == 1
    assert f"redirects {api.url}leads/list?" in outcome.stderr
    assert f"to {place}: set [sources.analytics_api] base_url" in outcome.stderr
    assert requests_of(api, page) == 1
    assert waits == []


@pytest.mark.parametrize("location", ["/v1/users/list", "list", "?page=99", "//localhost/v1/", ""])
def test_a_relative_redirect_is_not_followed_either(
    api: ApiServer, elt: Elt, location: str
) -> None:
    api.fault = at(Reply(307, headers={"Location": location}))
    outcome = elt("run")
    assert outcome.exit_code == 1
    assert "redirects" in outcome.stderr
    assert [(request.name, request.page) for request in api.requests] == [("leads", 0)]


@pytest.mark.parametrize(
    "base_url",
    [
        "http://api.example.com/v1/",
        "http://10.0.0.7/v1/",
        "api.example.com/v1",
        "ftp://api.example.com/",
        "https://",
        "https://user:secret@api.example.com/v1/",
        "https://api.example.com/v1/?key=secret",
        "api.example.com/v1/?key=secret",
        "https://api.example.com/v1/?",
        "https://api.example.com:abc/",
        "https://[::1",
        "http://[::1]:99999/",
        "https://exa mple.com/",
        "https://.com/",
        "https://a..b/",
        "5",
    ],
)
def test_a_base_url_that_cannot_be_or_would_leak_is_refused(
    elt: Elt, monkeypatch: pytest.MonkeyPatch, base_url: str
) -> None:
    monkeypatch.setenv("SOURCES__ANALYTICS_API__BASE_URL", base_url)
    outcome = elt("run")
    assert outcome.exit_code == 2
    assert "base_url" in outcome.stderr
    assert "secret" not in outcome.stderr


@pytest.mark.parametrize("host", ["localhost:1", "127.0.0.1", "127.8.9.1:80", "[::1]:8080"])
def test_plain_http_is_fine_on_this_machine(host: str) -> None:
    assert api_root(f"http://{host}/v1") == f"http://{host}/v1/"


def test_the_last_slash_of_base_url_does_not_matter() -> None:
    assert api_root("https://api.example.com/v1") == api_root("https://api.example.com/v1//")


def test_plain_http_over_a_network_says_why() -> None:
    with pytest.raises(SettingsError, match="unencrypted"):
        api_root("http://api.example.com/v1")


@pytest.mark.parametrize("content_type", ["application/json", "text/html; charset=ISO-8859-1"])
def test_a_body_that_is_not_utf_8_is_read_as_well_as_can_be(
    lists: Lists, api: ApiServer, elt: Elt, query: Query, content_type: str
) -> None:
    body = '{"data": {"leads": [{"crmhero_user_id": 1, "name": "José"}]}}'.encode("latin-1")
    api.fault = at(Reply(200, body, content_type=content_type))
    lists["leads"] = []
    assert elt("run").exit_code == 0
    name = "José" if "charset" in content_type else "Jos\ufffd"
    assert query("select name from raw.leads") == [(name,)]


def test_a_proxy_of_the_environment_does_not_stand_before_loopback(
    elt: Elt, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    assert elt("run").exit_code == 0


@pytest.mark.parametrize("key", ["two\nlines", "with blank", "curly“quote"])
def test_a_key_that_no_header_can_carry_is_refused_unseen(
    elt: Elt, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    monkeypatch.setenv("SOURCES__ANALYTICS_API__API_KEY", key)
    outcome = elt("run")
    assert outcome.exit_code == 2
    assert key not in outcome.stderr
    assert "api_key" in outcome.stderr
