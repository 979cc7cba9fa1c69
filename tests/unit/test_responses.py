"""What a response of the API means: a page, or a failure, which is never the end of the list."""

import json
from typing import Any

import pytest

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
    user,
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


SHOWN = {
    "400": "is HTTP 400: Bad parameter.",
    "403 in HTML": "is HTTP 403: an HTML page: Forbidden.",
    "403 in text": "is HTTP 403: Forbidden.",
    "404 in HTML": "is HTTP 404: an HTML page: Not found.",
    "422": "is HTTP 422: Bad parameter.",
    "HTML dressed as 200": "is not JSON: an HTML page: Bad parameter.",
    "nothing": "is not JSON: (nothing).",
}


@pytest.mark.parametrize("kind", FINAL)
def test_another_response_fails_at_once_with_status_url_and_body(
    full_api: ApiServer, source: Source, waits: list[float], kind: str
) -> None:
    full_api.fault = at(FINAL[kind], page=1)
    synced = source.sync()
    assert synced.exit_code == 1
    assert pages_asked(full_api) == [0, 1]
    assert waits == []
    assert f"The response of {full_api.url}leads/list?" in synced.error
    assert f"per_page=50&page=1 {SHOWN[kind]}" in synced.error


def test_no_more_of_a_long_body_is_shown_than_its_start_on_one_line(
    full_api: ApiServer, source: Source
) -> None:
    full_api.fault = at(Reply(400, b"The\r\n\tstart\x1b[31m" + b"x" * 5000))
    error = source.sync().error
    assert error.endswith(": The start[31m" + "x" * (200 - len("The start[31m")) + ".")


@pytest.mark.parametrize(
    "content_type", ["application/json", "text/html", "text/html; charset=ISO-8859-1", "x; charset"]
)
def test_a_body_is_utf_8_whatever_its_header_declares_and_one_byte_damages_one_value(
    api: ApiServer, source: Source, content_type: str
) -> None:
    """Ten users whose names and ids are UTF-8, one of them with a byte that is not."""
    rows = [user(f"Zoë-{n}", n, name=f"Zoë {n} \ufffd") for n in range(10)]
    body = json.dumps({"data": {"users": rows}}, ensure_ascii=False).encode()
    body = body.replace("Zoë 7".encode(), b"Zo\xeb 7")
    api.fault = at(Reply(200, body, content_type=content_type), name="users")
    synced = source.sync()
    assert synced.exit_code == 0
    names = {row["user_id"]: row["name"] for row in synced.rows["users"]}
    assert names == {
        f"Zoë-{n}": f"Zo\ufffd {n} \ufffd" if n == 7 else f"Zoë {n} \ufffd" for n in range(10)
    }
    assert synced.counts["users"].undecodable_rows == 1
    assert synced.counts["leads"].undecodable_rows == 0


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be", "utf-32"])
def test_a_body_in_any_unicode_encoding_is_read(
    api: ApiServer, source: Source, encoding: str
) -> None:
    text = '{"data": {"leads": [{"crmhero_user_id": 1, "name": "Zoë \U0001f986"}]}}'
    api.fault = at(Reply(200, text.encode(encoding), content_type="text/html"))
    synced = source.sync()
    assert [row["name"] for row in synced.rows["leads"]] == ["Zoë \U0001f986"]
    assert synced.counts["leads"].undecodable_rows == 0


@pytest.mark.parametrize("character", ["\t", "\x01", "\n", "\r\n", "\x00", "\x1f"])
def test_a_control_character_inside_a_text_is_part_of_it(
    api: ApiServer, source: Source, character: str
) -> None:
    body = f'{{"data": {{"leads": [{{"crmhero_user_id": 1, "name": "Zoë{character}O"}}]}}}}'
    api.fault = at(Reply(200, body.encode()))
    synced = source.sync()
    assert synced.exit_code == 0, synced.error
    assert [row["name"] for row in synced.rows["leads"]] == [f"Zoë{character}O"]


@pytest.mark.parametrize("field", ["attributes", "new_field"])
def test_a_row_with_endless_nesting_fails_in_plain_words(
    api: ApiServer, source: Source, field: str
) -> None:
    nested = f'{{"data":{{"leads":[{{"crmhero_user_id":1,"{field}":{"[" * 1000}{"]" * 1000}}}]}}}}'
    api.fault = at(Reply(200, nested.encode()))
    synced = source.sync()
    assert synced.exit_code == 1
    assert "nested" in synced.error or "is not JSON" in synced.error
