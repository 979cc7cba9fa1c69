"""What a response of the API means: a page, or a failure, which is never the end of the list."""

from typing import Any

import pytest
from requests import Response

from extract.answers import is_cut_short
from extract.sandbox.server import ApiServer, ListRequest, Reply
from tests.support.builders import (
    FINAL,
    NO_LIST,
    PASSING,
    REFUSALS,
    Lists,
    at,
    lead,
    moment,
)
from tests.support.elt import API_KEY
from tests.support.servers import pages_asked
from tests.support.sync import Source

ALL = list(range(1, 201))
KEY_REFUSED = {
    **REFUSALS,
    "message without an object": Reply.of_json({"error": "Access token not found."}, 500),
}


@pytest.mark.parametrize("page", [0, 2])
@pytest.mark.parametrize("reply", KEY_REFUSED.values(), ids=KEY_REFUSED)
def test_a_refused_api_key_ends_the_sync_and_names_its_settings(
    full_api: ApiServer, source: Source, waits: list[float], reply: Reply, page: int
) -> None:
    full_api.fault = at(reply, page=page)
    synced = source.sync()
    assert synced.exit_code == 2
    assert pages_asked(full_api).count(page) == 1
    assert waits == []
    assert "The API refused the key" in synced.error
    assert f"HTTP {reply.status} for {full_api.url}leads/list?" in synced.error
    assert ".dlt/secrets.toml" in synced.error
    assert "SOURCES__ANALYTICS_API__API_KEY" in synced.error
    assert API_KEY not in synced.error


def test_a_wrong_api_key_is_refused_by_the_server_itself(
    full_api: ApiServer, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCES__ANALYTICS_API__API_KEY", "another-key")
    synced = source.sync()
    assert synced.exit_code == 2
    assert "refused the key" in synced.error


@pytest.mark.parametrize("page", [0, 4])
@pytest.mark.parametrize("reply", NO_LIST.values(), ids=NO_LIST)
def test_a_response_without_the_list_is_never_its_end(
    full_api: ApiServer, source: Source, waits: list[float], reply: Reply, page: int
) -> None:
    full_api.fault = at(reply, page=page)
    synced = source.sync()
    assert synced.exit_code == 1
    assert pages_asked(full_api).count(page) == 1
    assert waits == []
    assert f"leads/list?sort=last_update&sort_direction=desc&per_page=50&page={page} " in (
        synced.error
    )


FAILED = {**NO_LIST, **FINAL, "503": PASSING["503"]}


@pytest.mark.parametrize("reply", FAILED.values(), ids=FAILED)
def test_a_failed_sync_moves_no_cursor_and_the_next_one_yields_what_is_missing(
    lists: Lists, full_api: ApiServer, source: Source, reply: Reply
) -> None:
    assert source.sync().exit_code == 0
    before = source.state
    lists["leads"] = [{**row, "last_update": moment(-5), "name": "new"} for row in lists["leads"]]
    full_api.fault = at(reply, page=2)
    assert source.sync().exit_code == 1
    assert source.state == before
    full_api.fault = None
    synced = source.sync()
    assert synced.exit_code == 0
    assert synced.ids() == ALL
    assert {row["name"] for row in synced.rows["leads"]} == {"new"}


def test_every_way_to_write_that_there_is_no_error_is_a_page(
    api: ApiServer, source: Source
) -> None:
    no_error: list[Any] = [None, False, 0, "", []]

    def respond(request: ListRequest) -> Reply | None:
        if request.name == "users" or request.page == len(no_error):
            return None
        return Reply.of_json(
            {"error": no_error[request.page], "data": {"leads": [lead(request.page)]}}
        )

    api.fault = respond
    synced = source.sync()
    assert synced.exit_code == 0, synced.error
    assert synced.ids() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("reply", FINAL.values(), ids=FINAL)
def test_another_response_fails_at_once_with_status_url_and_body(
    full_api: ApiServer, source: Source, waits: list[float], reply: Reply
) -> None:
    full_api.fault = at(reply, page=1)
    synced = source.sync()
    assert synced.exit_code == 1
    assert pages_asked(full_api) == [0, 1]
    assert waits == []
    assert f"The answer of {full_api.url}leads/list?" in synced.error
    assert "per_page=50&page=1" in synced.error
    assert (f"HTTP {reply.status}" if reply.status != 200 else "is not JSON") in synced.error
    assert (reply.body.decode() or "(nothing)") in synced.error


def test_no_more_of_a_long_body_is_shown_than_its_start_on_one_line(
    full_api: ApiServer, source: Source
) -> None:
    full_api.fault = at(Reply(400, b"The\r\n\tstart\x1b[31m" + b"x" * 5000))
    error = source.sync().error
    assert error.endswith(": The start[31m" + "x" * (200 - len("The start[31m")))


@pytest.mark.parametrize("content_type", ["application/json", "text/html; charset=ISO-8859-1"])
def test_a_body_that_is_not_utf_8_is_decoded_as_well_as_possible(
    api: ApiServer, source: Source, content_type: str
) -> None:
    body = '{"data": {"leads": [{"crmhero_user_id": 1, "name": "José"}]}}'.encode("latin-1")
    api.fault = at(Reply(200, body, content_type=content_type))
    synced = source.sync()
    assert synced.exit_code == 0
    assert [row["name"] for row in synced.rows["leads"]] == [
        "José" if "charset" in content_type else "Jos\ufffd"
    ]


def test_a_body_in_utf_8_is_read_as_such_whatever_its_header_declares(
    api: ApiServer, source: Source
) -> None:
    body = '{"data": {"leads": [{"crmhero_user_id": 1, "name": "José"}]}}'.encode("utf-8-sig")
    api.fault = at(Reply(200, body, content_type="text/html; charset=ISO-8859-1"))
    assert [row["name"] for row in source.sync().rows["leads"]] == ["José"]


@pytest.mark.parametrize("field", ["attributes", "new_field"])
def test_a_row_with_endless_nesting_fails_in_plain_words(
    api: ApiServer, source: Source, field: str
) -> None:
    nested = f'{{"data":{{"leads":[{{"crmhero_user_id":1,"{field}":{"[" * 1000}{"]" * 1000}}}]}}}}'
    api.fault = at(Reply(200, nested.encode()))
    synced = source.sync()
    assert synced.exit_code == 1
    assert "nested" in synced.error or "is not JSON" in synced.error


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
