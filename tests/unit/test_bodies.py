"""Bodies of responses: what breaks off, and how a message describes them without values of rows."""

import json
from typing import Any

import pytest
from requests import PreparedRequest, Response

from extract.bodies import Body, damaged_rows, is_cut_short
from extract.descriptions import describe
from tests.support.servers import UNKNOWN_ENCODINGS


def response(content: bytes, status: int = 200, **headers: str) -> Response:
    """Return a response with a body."""
    made = Response()
    made.status_code = status
    made.request = PreparedRequest()
    made.request.prepare("GET", "https://api.example.com/")
    made.headers.update({name.replace("_", "-"): value for name, value in headers.items()})
    vars(made)["_content"] = content
    return made


def description(content: bytes, status: int = 200, **headers: str) -> str:
    """Return how a message describes a body."""
    made = response(content, status, **headers)
    return describe(made, Body.of(made))


@pytest.mark.parametrize("cut_at", range(1, 60))
def test_a_body_is_cut_short_wherever_it_breaks_off(cut_at: int) -> None:
    body = '{"data": {"leads": [{"name": "Chlo\u00e9 \\u00e9", "n": [null, -1.5e3]}]}}'.encode()
    assert is_cut_short(body[:cut_at].decode(errors="replace"))


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
    assert not is_cut_short(body.decode(errors="replace"))


PERSON = {"name": "Zoe Miller", "email": "zoe@example.com", "phone": "+39 011 555", "id": 4711}
VALUES = ("Zoe", "Miller", "zoe", "example", "011", "555", "4711")
ROWS = json.dumps({"data": {"users": [PERSON]}})
BODIES = {
    "rows of another list": ROWS,
    "a list of rows": json.dumps([PERSON]),
    "a row": json.dumps(PERSON),
    "a row as the list": json.dumps({"data": {"leads": PERSON}}),
    "rows by e-mail": json.dumps({"data": {PERSON["email"]: PERSON}}),
    "rows beside an error": json.dumps({"error": {"message": "Partly.", "row": PERSON}}),
    "rows beside a message": json.dumps({"data": [PERSON], "message": "Partly."}),
    "rows that break off": ROWS[:-10],
    "JSON with a missing comma": ROWS.replace('", "', '" "', 1),
    "JSON in JavaScript": f"callback({ROWS})",
    "a warning before JSON": f"<br /><b>Warning</b>: Deprecated in line 1 {ROWS}",
    "JSON before a warning": f"{ROWS}<br />Warning",
    "JSON by line": f"{json.dumps(PERSON)}\n{json.dumps(PERSON)}",
    "CSV": "Zoe,Miller,zoe@example.com\nZoe,Miller,zoe@example.com",
    "columns by tabs": "Zoe\tMiller\tzoe@example.com",
    "CSV with a heading": "name\nZoe Miller\n",
    "an e-mail address": "zoe@example.com",
    "XML": "<?xml version='1.0'?><users><name>Zoe Miller</name></users>",
    "an error about an address": json.dumps({"error": "zoe@example.com is blocked"}),
}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_no_description_contains_a_value_of_a_row(body: str, encoding: str) -> None:
    shown = description(body.encode(encoding))
    assert shown
    assert not [value for value in VALUES if value in shown], shown


DESCRIBED: dict[str, tuple[Any, str]] = {
    "an object": ({}, "{}"),
    "null": (None, "null"),
    "a list": ([1, 2], "list of 2"),
    "keys and types": (
        {"data": {"users": [PERSON], "more": {"a": 1}}, "page": 1, "ok": True, "next": None},
        "{data: {users: list of 1, more: object}, page: number, ok: boolean, next: null}",
    ),
    "keys that may be values": ({"a b": 1, "x@y.z": 1, "a": "b"}, "{a: text, 2 more}"),
    "an error's message": ({"error": {"message": "No.", "code": 7}}, "No."),
    "an error's text": ({"error": "No."}, "No."),
    "a message": ({"message": "No.", "status": 7}, "No."),
    "a text": ("No.", "No."),
    "errors": ({"errors": [{"title": "No", "detail": "Why."}, "Not."]}, "Why.; No; Not."),
    "OAuth": ({"error": "a", "error_description": "b"}, "a; b"),
    "an error without a text": ({"error": {"code": 7}}, "{error: {code: number}}"),
}


@pytest.mark.parametrize(("payload", "shown"), DESCRIBED.values(), ids=DESCRIBED)
def test_json_is_described_by_its_error_or_its_keys_and_types(payload: Any, shown: str) -> None:
    assert description(json.dumps(payload).encode()) == shown


@pytest.mark.parametrize(
    ("body", "place"),
    [
        (
            b'{"name": "Zoe" "x": 1}',
            r"""Expecting ',' delimiter at character 16 of 22, in `{"xxxx": "xxx" "x": x}`""",
        ),
        (b'{"name": "Zoe", \x01 "x": 1}', r'in `"xxxx": "xxx", \x01 "x": x}`'),
        (b'{"name": "Zoe\\x"}', r'in `{"xxxx": "xxx\\x"}`'),
        (b'{"n": ' + b"9" * 5000 + b"}", "it contains a number of thousands of digits"),
        (b"[" * 100_000, "it is nested too deeply"),
    ],
)
def test_the_place_where_json_is_invalid_is_shown_without_letters_and_digits(
    body: bytes, place: str
) -> None:
    assert place in description(body)


PAGES = {
    "a title": (
        "<!-- a --><!DOCTYPE html><html><head><title>\nDenied | CDN\n</title></head>x",
        "an HTML page with the title 'Denied | CDN'",
    ),
    "no title": ("<html><style>a {}</style><p>Please <b>wait</b>.", "an HTML page: Please wait ."),
    "XHTML": ("<?xml version='1.0'?>\n<!DOCTYPE html><p>No", "an HTML page: No"),
    "text": ("Bad gateway\nat noon", "Bad gateway"),
    "nothing": (" \n", "(nothing)"),
}


@pytest.mark.parametrize(("body", "shown"), PAGES.values(), ids=PAGES)
def test_a_page_for_browsers_is_shown_by_its_title_or_text(body: str, shown: str) -> None:
    assert description(body.encode()) == shown


def test_the_text_of_an_error_status_is_shown_also_in_columns_or_xml() -> None:
    assert description(b"a, b, c\nd", 400) == "a, b, c d"
    assert description(b"<Error><Code>NoSuchKey</Code></Error>", 404) == (
        "<Error><Code>NoSuchKey</Code></Error>"
    )


@pytest.mark.parametrize("encoding", [*UNKNOWN_ENCODINGS, "X-NEW", "gzip, x-new"])
def test_a_content_encoding_that_cannot_be_decoded_is_named_and_its_bytes_are_not(
    encoding: str,
) -> None:
    shown = description(b"{\x8b\x02\x80Zoe", Content_Encoding=encoding)
    assert f"cannot be decoded from its content encoding '{encoding.lower()}'" in shown
    assert "Zoe" not in shown


@pytest.mark.parametrize("body", [b"\x8b\x02\x80\xffZoe", b"PK\0\x03 some text", b"\xff" * 99])
def test_bytes_that_are_not_text_are_counted(body: bytes) -> None:
    assert description(body) == f"{len(body)} bytes that are not text"


@pytest.mark.parametrize("name", ["identity", "utf-8", "none", ""])
def test_a_body_that_is_json_is_read_whatever_its_content_encoding_is_called(name: str) -> None:
    assert Body.of(response(b"[1]", Content_Encoding=name)).payload == [1]


DAMAGED = {
    "a value": (rb'[{"a": "%s"}, {"a": "b"}]', 1),
    "a key": (rb'[{"%s": 1}, {"a": "b"}]', 1),
    "inside a value": (rb'[{"a": {"b": ["x%sy"]}}, {"a": "%s"}, "%s", 7]', 3),
    "no row": (rb'[{"a": "\ud800 \ufffd"}]', 0),
}


@pytest.mark.parametrize("byte", [b"\xe9", b"\xe9\xe9", b"\xe2\x82", b"\xed\xa0\x80", b"\xff"])
@pytest.mark.parametrize(("rows", "count"), DAMAGED.values(), ids=DAMAGED)
def test_rows_with_bytes_that_are_not_utf_8_are_counted(
    rows: bytes, count: int, byte: bytes
) -> None:
    content = b'{"note": "\xff", "rows": ' + rows.replace(b"%s", byte) + b"}"
    made = response(content)
    payload = Body.of(made).payload
    assert damaged_rows(made, payload["rows"], lambda payload: payload["rows"]) == count


def test_a_replacement_character_of_the_api_is_no_damage() -> None:
    content = b'{"rows": ["\xef\xbf\xbd", "\\ufffd", "\xef\xbf\xbc"]}'
    assert damaged_rows(response(content), ["\ufffd", "\ufffd", "\ufffc"], lambda _: []) == 0
