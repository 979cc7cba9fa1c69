"""Describes the body of a response for messages: no value of a row, and no API key."""

import json
import re
from typing import Any

from requests import Response

from extract.bodies import NOT_JSON, SEARCHED, Body, begins_as_json
from extract.masking import key_of, without_key, without_rows

TITLE = re.compile(r"<title[^>]{0,200}>([^<]{1,200})</title", re.IGNORECASE)
TAG = re.compile(r"<(script|style)\b.*?</\1\s*>|<[^>]*>", re.IGNORECASE | re.DOTALL)
FIELD = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,39}")  # a key of JSON that is no value of a contact
XML = re.compile(r"\s*(?:<\?xml[^>]{0,200}>\s*)?<([A-Za-z][\w:.-]{0,40})")
SHOWN = 200  # characters of a text that a message shows
AROUND = 15  # characters of invalid JSON on each side of the place


def describe(response: Response, body: Body) -> str:
    """Return what a body is, in a few words on one line: no value of a row, and no API key."""
    if body.payload is not NOT_JSON:
        text = body.message or _shape(body.payload)
    elif body.encoding:
        text = f"it cannot be decoded from its content encoding {body.encoding!r}"
    elif not body.text.strip():
        text = "(nothing)"
    elif begins_as_json(body.text):
        return _json_problem(body.text)  # which has punctuation of JSON
    elif _is_binary(body.text):
        text = f"{len(response.content)} bytes that are not text"
    elif body.is_html:
        text = _text_of_page(body.text)
    else:
        text = body.text if response.status_code >= 400 else _text_without_rows(body.text)
    return printable(text, response)


def printable(text: str, response: Response) -> str:
    """Return the start of a text of the API on one line, without API key and values of rows."""
    # masked before it is cut, which may leave a part of the key
    text = without_key(text, key_of(response.request))
    line = without_rows(" ".join(text[: 10 * SHOWN].split()))
    return "".join(character for character in line if character.isprintable())[:SHOWN]


def _is_binary(text: str) -> bool:
    """Tell whether a tenth of a text's start is no text."""
    start = text[:SHOWN]
    no_text = sum(c == "\ufffd" or not (c.isprintable() or c.isspace()) for c in start)
    return "\0" in start or 10 * no_text > len(start)


def _text_of_page(text: str) -> str:
    start = text[:SEARCHED]
    if title := TITLE.search(start):
        return f"an HTML page with the title {title[1].strip()!r}"
    return f"an HTML page: {TAG.sub(' ', start).strip()}"


def _text_without_rows(text: str) -> str:
    """Return the first line of a text that no error status explains, unless it may be rows."""
    if root := XML.match(text):
        return f"XML of <{root[1]}>"
    line = text.strip().partition("\n")[0]
    return "text in columns" if max(map(line.count, ",;|\t")) > 1 else line


def _shape(value: Any, depth: int = 2) -> str:
    """Return the keys and types of a JSON value: `{data: {users: list of 0}}`."""
    match value:
        case dict() if depth:
            fields = [
                f"{name}: {_shape(item, depth - 1)}"
                for name, item in value.items()
                if FIELD.fullmatch(name)
            ]
            if others := len(value) - len(fields):
                fields.append(f"{others} more")
            return f"{{{', '.join(fields)}}}"
        case dict():
            return "object"
        case list():
            return f"list of {len(value)}"
        case bool():
            return "boolean"
        case str():
            return "text"
    return "null" if value is None else "number"


def _json_problem(text: str) -> str:
    """Return where a text stops being JSON; of what stands around it, only the punctuation."""
    try:
        json.loads(text, strict=False)
    except json.JSONDecodeError as error:
        around = text[max(0, error.pos - AROUND) : error.pos + AROUND]
        return (
            f"{error.msg} at character {error.pos + 1} of {len(text)}, in `{_punctuation(around)}` "
            "(x for each letter and digit)"
        )
    except RecursionError:
        return "it is nested too deeply"
    except ValueError:
        pass
    return "it contains a number of thousands of digits"


def _punctuation(text: str) -> str:
    masked = re.sub(r"[^\x00-\x1f -/:-@\[-`{-\x7f]", "x", text)
    return masked.encode("unicode_escape").decode()
