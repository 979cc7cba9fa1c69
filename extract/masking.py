"""Masks the API key, passwords and values of rows in texts of an API, for messages and data."""

import html
import re
from base64 import b64encode
from functools import lru_cache

from requests import PreparedRequest

MASK = "***"
EMAIL = re.compile(r"[^\s\"'<>@,;:]{1,64}@[^\s\"'<>@,;:]{1,255}")
ROWS = re.compile(r"[\[{]\s*[\"{\[]")  # the beginning of JSON
PASSWORD = re.compile(r"(://[^\s:/@]*:)[^\s/]+@")
LONG_KEY = 16  # characters; API keys are longer


@lru_cache(maxsize=4)
def _spellings(key: str) -> re.Pattern[str]:
    """Return a pattern for a key as JSON, URLs, HTML and base64 write it, mixed and nested."""
    written = "".join(f"(?:{'|'.join(_ways_to_write(character))})" for character in key)
    return re.compile("|".join([written, *_in_base64(key)]), re.IGNORECASE)


def _ways_to_write(character: str) -> list[str]:
    code = ord(character)
    # repetitions have bounds, so that no text makes the search slow
    ways = [
        re.escape(character),
        rf"\\{{1,4}}u00{code:02x}",
        rf"%(?:25){{0,3}}{code:02x}",
        rf"&(?:amp;){{0,3}}\#(?:0{{0,4}}{code}|x0{{0,4}}{code:x});",
    ]
    if character in "/\"'\\":
        ways.append(rf"\\{{1,4}}{re.escape(character)}")
    if character in "&<>\"'":
        ways.append(re.escape(html.escape(character)))
    return ways


def _in_base64(key: str) -> list[str]:
    """Return patterns for a key inside of a longer text: its place there shifts the bits."""
    patterns = []
    for before in range(3):
        text = b64encode(b" " * before + key.encode()).decode()
        # without the characters that also hold bits of the neighbours
        own = text[-(-8 * before // 6) : 8 * (before + len(key)) // 6]
        patterns.append(own.replace("+", "[+-]").replace("/", "[/_]"))
    return patterns


def key_of(request: PreparedRequest) -> str:
    """Return the key that a request carries."""
    return str(request.headers.get("Authorization", "")).removeprefix("Bearer ")


def without_key(text: str, key: str) -> str:
    """Return a text with every spelling of a key masked."""
    return _spellings(key).sub(MASK, text) if key else text


def without_passwords(text: str) -> str:
    """Return a text with the passwords of URLs masked: errors of databases show where they went."""
    return PASSWORD.sub(rf"\1{MASK}@", text)


def without_rows(text: str) -> str:
    """Return a text of an API up to the JSON in it, with e-mail addresses masked."""
    return EMAIL.sub(MASK, ROWS.split(text, maxsplit=1)[0])


def page_without_key(text: str, key: str) -> str:
    """Return the JSON of a page with the key masked: rows are data that many people read.

    A short key stays, which rows may hold by chance. Only a page with the longest part of the key
    that no spelling changes is searched: a search takes longer than the parsing.
    """
    plain = max(re.findall("[A-Za-z0-9]+", key), key=len, default="")
    return without_key(text, key) if len(key) >= LONG_KEY and plain in text else text
