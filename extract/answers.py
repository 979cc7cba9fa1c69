"""When an answer of the API is a page of the list, and what is wrong with it when it is not.

dlt takes a page without the expected list for an empty one, and so for the end. Here every answer
is checked before dlt sees it, inside the retried request: what may pass is retried, what does not
ends the run with the reason. Only a present, empty list ends a list.
"""

import json
import math
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import orjson
from requests import HTTPError, Response

from extract import settings
from extract.errors import ApiError, KeyRefusedError
from extract.masking import key_of, page_without_key, without_key
from extract.transport import page_of

# the API answers a bad key with HTTP 500 and one of these messages
REFUSALS = ("access token not found", "valid header authorization")
# PHP encodes "no error" in many ways; an object in its place is an error
NO_ERROR: tuple[Any, ...] = (None, False, 0, "", [])
NOT_JSON = object()
LONG_NUMBER = b"0" * 19
DIGITS_TO_0 = bytes.maketrans(b"123456789", b"0" * 9)
PAST_THE_END = {
    "empty": " If this API answers so past the end of its list, set "
    f'[sources.{settings.SECTION}] end_of_list = "short_page".',
    "short_page": " If the length of this list is a multiple of the page size, its end cannot be "
    f"told from a failure: set another [sources.{settings.SECTION}] page_size.",
}
SHOWN_BODY = 200  # characters of an unexpected answer that an error shows


class PassingError(HTTPError):
    """A failure that may pass: retried, and the end of the run when it does not."""


class RateLimitError(PassingError):
    """Too many requests: sent again until the API accepts it."""


class CutShortError(Exception):
    """A body that begins as JSON and breaks off: retried."""


def page_check(
    name: str,
    first_page: int,
    end_of_list: settings.EndOfList,
    on_answer: Callable[[int], None],
) -> Callable[[Response], None]:
    """Return a response hook that lets only pages of the list `name` through.

    It runs inside the retried request, so that what it raises is retried if it may pass, and
    leaves the parsed body on the response for dlt.

    Args:
        name: `leads` or `users`.
        first_page: the number of the first page; a failing later one may lie past the end.
        end_of_list: the setting.
        on_answer: called with the bytes of every answer, retried ones included.
    """

    def check(response: Response) -> None:
        on_answer(len(response.content))
        payload = _parse(response)
        _refuse_key(response, payload)
        is_first = page_of(response.request) == first_page
        hint = "" if is_first else PAST_THE_END[end_of_list]
        _refuse_status(response, hint)
        if payload is NOT_JSON:
            if is_cut_short(response):
                raise CutShortError(_describe(response, "broke off in the middle of its JSON"))
            raise ApiError(_describe(response, "is not JSON") + hint)
        if isinstance(payload, dict) and payload.get("error") not in NO_ERROR:
            raise ApiError(_describe(response, "is an error dressed as a success") + hint)
        if not isinstance(_list_in(payload, name), list):
            raise ApiError(_describe(response, f"has no list at data.{name}") + hint)
        # dlt takes the page from response.json(): give it the very payload that was proven.
        # requests would decode the body once more, and one that is not UTF-8 in another way.
        vars(response)["json"] = lambda **_: payload

    return check


def _parse(response: Response) -> Any:
    text = page_without_key(_text(response), key_of(response.request))
    try:
        # orjson takes a third of the time, but writes off what is not strictly JSON, and makes
        # fractions of whole numbers of more than 64 bits, which have 19 digits or more
        body = text.encode()
        if LONG_NUMBER not in body.translate(DIGITS_TO_0):
            return orjson.loads(body)
    except ValueError:
        pass
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return NOT_JSON


def _text(response: Response) -> str:
    """Return a body as text: JSON is UTF-8, whatever else is declared, unless it cannot be."""
    with suppress(UnicodeDecodeError):
        return response.content.decode("utf-8-sig")
    try:
        return response.content.decode(response.encoding or "utf-8", errors="replace")
    except (LookupError, ValueError):  # an encoding that does not exist, or is none of a text
        return response.content.decode(errors="replace")


def is_cut_short(response: Response) -> bool:
    """Tell whether a body begins as JSON and ends before it is complete."""
    body = _text(response).strip()
    if body[:1] not in ("{", "["):
        return False
    try:
        json.loads(body)
    except json.JSONDecodeError as error:
        # an escape or a literal that is cut lies up to 6 characters before the end
        return error.msg.startswith("Unterminated") or (
            error.pos >= len(body) - 6 and not error.msg.startswith("Extra data")
        )
    except (ValueError, RecursionError):  # an integer of thousands of digits, or endless nesting
        return False
    return False


def _list_in(payload: Any, name: str) -> Any:
    data = payload.get("data") if isinstance(payload, dict) else None
    return data.get(name) if isinstance(data, dict) else None


def _refuse_key(response: Response, payload: Any) -> None:
    error = payload.get("error") if isinstance(payload, dict) else None
    message = str(error.get("message") if isinstance(error, dict) else error).lower()
    if response.status_code in (401, 403) or any(words in message for words in REFUSALS):
        raise KeyRefusedError(
            f"The API refused the key (HTTP {response.status_code} for {response.url}). Set "
            f"[sources.{settings.SECTION}] api_key in .dlt/secrets.toml, or "
            f"SOURCES__{settings.SECTION.upper()}__API_KEY in the environment, to a valid one."
        )


def _refuse_status(response: Response, hint: str) -> None:
    status = response.status_code
    if status < 300:
        return
    problem = _describe(response, f"is HTTP {status}")
    if response.is_redirect:
        # not followed: another place shall not see the key, and a wrong setting shall be seen
        place = _printable(response, response.headers["location"].partition("?")[0])
        raise ApiError(
            f"The API redirects {response.url} to {place}: set [sources.{settings.SECTION}] "
            "base_url to where it really is."
        )
    if status not in settings.RETRY_STATUSES:
        raise ApiError(problem + hint)
    wait = retry_after(response)
    if wait is None:
        response.headers.pop("Retry-After", None)  # the retry reads it, too
    elif wait > settings.MAX_RETRY_AFTER:
        raise ApiError(
            f"{problem} The API asks to come back in more than "
            f"{settings.MAX_RETRY_AFTER // 60} minutes: run again later."
        )
    failure = RateLimitError if status == 429 else PassingError
    # a server that errs past the end of its list says 500; the others really mean "later"
    raise failure(problem + (hint if status == 500 else ""), response=response)


def retry_after(response: Response) -> float | None:
    """Return the seconds that `Retry-After` asks for, None where it is absent or unreadable."""
    value = response.headers.get("Retry-After", "").strip()
    if value.isdecimal():
        return float(value)
    try:
        moment = parsedate_to_datetime(value)
        if moment.tzinfo is None:  # "-0000": UTC, by a machine that does not know its zone
            moment = moment.replace(tzinfo=UTC)
        return (moment - datetime.now(UTC)).total_seconds()
    except OverflowError:
        return math.inf
    except ValueError:
        return None


def _describe(response: Response, problem: str) -> str:
    """Return one sentence on an answer, with the start of its body and never the key."""
    body = _printable(response, _text(response))
    return f"The answer of {response.url} {problem}: {body[:SHOWN_BODY] or '(nothing)'}"


def _printable(response: Response, text: str) -> str:
    """Return the start of what an API said, on one line, without the key that it may echo."""
    # masked before it is cut, which may leave a part of the key
    text = without_key(text, key_of(response.request))
    line = " ".join(text[: 10 * SHOWN_BODY].split())
    return "".join(character for character in line if character.isprintable())
