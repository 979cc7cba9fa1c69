"""Reads the body of a response, as text and as JSON.

JSON is UTF-8, whatever `Content-Type` declares: `requests` would take a text without a charset for
ISO-8859-1. A byte that is not UTF-8 becomes U+FFFD, so that it damages one value only.
"""

import json
import re
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any, NamedTuple, Self

import orjson
from requests import Response
from urllib3 import HTTPResponse

from extract.masking import key_of, page_without_key

NOT_JSON = object()
LONG_NUMBER = b"0" * 19
DIGITS_TO_0 = bytes.maketrans(b"123456789", b"0" * 9)
# what decoding with "surrogateescape" makes of the bytes that are not UTF-8
INVALID_BYTES = dict.fromkeys(range(0xDC80, 0xDD00), "\ufffc")
HTML = re.compile(
    r"\s*(?:<\?xml[^>]{0,200}>\s*|<!--.{0,500}?-->\s*){0,5}"
    r"<(?:!doctype html|html|head|body|title|h[1-6]|p|br|b|div|center|script)\b",
    re.IGNORECASE | re.DOTALL,
)
SEARCHED = 20_000  # characters of a long text in which something is looked for
# where an API puts the text of an error; the others could be fields of a contact, but in an error
MESSAGES = ("error", "message", "error_description", "detail", "errors")
MESSAGES_OF_ERROR = (*MESSAGES, "description", "title", "reason")


class Body(NamedTuple):
    """The body of a response, without the API key.

    `payload` is its JSON, or `NOT_JSON`; `encoding` is the content encoding if it may be the reason
    that there is no JSON.
    """

    text: str
    payload: Any
    encoding: str = ""

    @classmethod
    def of(cls, response: Response) -> Self:
        """Read the body of a response."""
        text = page_without_key(_decode(response.content), key_of(response.request))
        try:
            return cls(text, parse_json(text))
        except ValueError:
            names = response.headers.get("Content-Encoding", "").lower().replace(" ", "").split(",")
            encoding = ", ".join(names)
            if set(names) - {"", "identity", *HTTPResponse.CONTENT_DECODERS}:
                return cls("", NOT_JSON, encoding)
            # a decoder may take garbage for the beginning of a text
            is_text = begins_as_json(text) or HTML.match(text) or response.status_code >= 400
            return cls(text, NOT_JSON, "" if is_text else encoding)

    @property
    def is_html(self) -> bool:
        """Tell whether the body is a page for browsers."""
        return self.payload is NOT_JSON and bool(HTML.match(self.text))

    @property
    def message(self) -> str:
        """The API's own text about an error, empty where there is none; never part of a row."""
        if self.payload is NOT_JSON:
            return "" if self.is_html or begins_as_json(self.text) else self.text[:SEARCHED]
        if not isinstance(self.payload, dict):
            return self.payload if isinstance(self.payload, str) else ""
        found = (_messages(self.payload.get(name)) for name in MESSAGES)
        return "; ".join(chain.from_iterable(found))


def parse_json(text: str) -> Any:
    """Return the value of a JSON text. Texts in it may contain control characters, such as a tab.

    Raises:
        ValueError: it is not JSON, or nested too deeply.
    """
    try:
        # orjson takes a third of the time, but is strict, and makes fractions of whole numbers of
        # more than 64 bits, which have 19 digits or more
        body = text.encode()
        if LONG_NUMBER not in body.translate(DIGITS_TO_0):
            return orjson.loads(body)
    except ValueError:
        pass
    try:
        return json.loads(text, strict=False)
    except RecursionError as error:
        raise ValueError("is nested too deeply") from error


def damaged_rows(response: Response, rows: list[Any], rows_of: Callable[[Any], Any]) -> int:
    """Count the rows of a page that contain a byte that is not UTF-8.

    Args:
        response: with the page.
        rows: of the page, as read.
        rows_of: returns the rows of the page's JSON.
    """
    content = response.content
    try:
        content.decode()
        return 0
    except UnicodeDecodeError:
        if not json.detect_encoding(content).startswith("utf-8"):
            return 0
    # a row that contains U+FFFD itself stays equal when another character replaces the bytes
    text = content.decode("utf-8-sig", "surrogateescape").translate(INVALID_BYTES)
    others = rows_of(parse_json(page_without_key(text, key_of(response.request))))
    return sum(row != other for row, other in zip(rows, others, strict=True))


def is_cut_short(text: str) -> bool:
    """Tell whether a body begins as JSON and ends before it is complete."""
    body = text.strip()
    if not begins_as_json(body):
        return False
    try:
        json.loads(body, strict=False)
    except json.JSONDecodeError as error:
        # an escape or a literal that is cut lies up to 6 characters before the end
        return error.msg.startswith("Unterminated") or (
            error.pos >= len(body) - 6 and not error.msg.startswith("Extra data")
        )
    except (ValueError, RecursionError):  # an integer of thousands of digits, or endless nesting
        return False
    return False


def begins_as_json(text: str) -> bool:
    """Tell whether a text is an object or a list of JSON, complete or not."""
    return text.lstrip()[:1] in ("{", "[")


def _decode(content: bytes) -> str:
    # UTF-8, with or without a byte order mark; UTF-16 and UTF-32 show in the first four bytes
    return content.decode(json.detect_encoding(content), "replace")


def _messages(value: Any, depth: int = 3) -> Iterator[str]:
    if isinstance(value, str) and value.strip():
        yield value
    elif isinstance(value, list) and depth:
        for item in value:
            yield from _messages(item, depth - 1)
    elif isinstance(value, dict) and depth:
        for name in MESSAGES_OF_ERROR:
            yield from _messages(value.get(name), depth - 1)
