"""What a response of the API means: a page of the list, or which failure.

dlt takes a page without the expected list for an empty one, and so for the end. Here every response
is checked before dlt sees it, inside the retried request: what may pass is retried, anything else
ends the sync with the reason. Only a present, empty list ends a list. No message contains values of
a row.
"""

import math
import re
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urljoin, urlsplit

from requests import HTTPError, Response

from extract import settings
from extract.bodies import NOT_JSON, Body, damaged_rows, is_cut_short
from extract.descriptions import describe, printable
from extract.errors import ApiError, KeyRefusedError
from extract.refusals import is_rate_limit, may_refuse_key, refuses_key
from extract.transport import page_of

# PHP encodes "no error" in many ways; an object in its place is an error
NO_ERROR: tuple[Any, ...] = (None, False, 0, "", [])
PAST_THE_END = {
    "empty": " If this API responds so past the end of its list, set "
    f'[sources.{settings.SECTION}] end_of_list = "short_page".',
    "short_page": " If the length of this list is a multiple of the page size, its end looks like "
    f"a failure: set another [sources.{settings.SECTION}] page_size.",
}
# 4xx that no API means by the end of a list: access, proxies, limits, and what passes
NEVER_THE_END = (401, 402, 403, 407, 408, 413, 414, 421, 425, 426, 429, 431, 451)
LOGIN = re.compile(r"/(log[-_]?in|sign[-_]?in|sso|saml2?|oauth2?|auth|authorize)\b", re.IGNORECASE)
KEY_SETTING = (
    f"[sources.{settings.SECTION}] api_key in .dlt/secrets.toml, or "
    f"SOURCES__{settings.SECTION.upper()}__API_KEY in the environment"
)
DENIED_BY_PROXY = (
    "A firewall or a proxy before the API denies the request, whatever the API key: no more data "
    "is loaded until its operator allows requests of this program from this network."
)
DENIED = (
    "The API, or a firewall or a proxy before it, denies the request: no more data is loaded. "
    f"Check whether this network may use the API, and the API key ({KEY_SETTING})."
)


class PassingError(HTTPError):
    """A failure that may pass: retried, and the end of the run when it does not."""


class CutShortError(Exception):
    """A body that begins as JSON and breaks off: retried."""


class RateLimitError(PassingError):
    """Too many requests (HTTP 429, or 403 with a text that says so): sent again until accepted."""


def page_check(
    name: str,
    first_page: int,
    end_of_list: settings.EndOfList,
    on_answer: Callable[[int], None],
) -> Callable[[Response], None]:
    """Return a response hook that lets only pages of the list `name` through.

    It runs inside the retried request, so that what it raises is retried if it may pass, and
    leaves the parsed body on the response for dlt, and the number of rows that contain a byte that
    is not UTF-8 as `damaged_rows`.

    Args:
        name: `leads` or `users`.
        first_page: the number of the first page; a failing later one may lie past the end.
        end_of_list: the setting.
        on_answer: called with the bytes of every response, retried ones included.
    """

    def check(response: Response) -> None:
        on_answer(len(response.content))
        body = Body.of(response)
        rows = _list_in(body.payload, name)
        has_error = isinstance(body.payload, dict) and body.payload.get("error") not in NO_ERROR
        if response.status_code < 300 and isinstance(rows, list) and not has_error:
            damaged = damaged_rows(response, rows, lambda payload: _list_in(payload, name))
            vars(response)["damaged_rows"] = damaged
            # dlt takes the page from response.json(): give it the very payload that was proven.
            # requests would decode the body once more, and one that is not UTF-8 in another way.
            vars(response)["json"] = lambda **_: body.payload
            return
        _refuse_key(response, body)
        is_first = page_of(response.request) == first_page
        hint = "" if is_first else PAST_THE_END[end_of_list]
        _refuse_status(response, body, hint)
        if has_error:
            problem = "is an error dressed as a success"
        elif body.payload is not NOT_JSON:
            problem = f"has no list at data.{name}"
        elif is_cut_short(body.text):
            raise CutShortError(_report(response, body, "broke off in the middle of its JSON"))
        else:
            problem = "is not JSON"
            hint = "" if response.content and not body.text else hint
        raise ApiError(_report(response, body, problem) + hint)

    return check


def _list_in(payload: Any, name: str) -> Any:
    data = payload.get("data") if isinstance(payload, dict) else None
    return data.get(name) if isinstance(data, dict) else None


def _refuse_key(response: Response, body: Body) -> None:
    status = response.status_code
    if status == 403:
        is_refused = body.payload is not NOT_JSON and not is_rate_limit(body.message)
    else:
        is_refused = status == 401
    if is_refused or (status != 429 and refuses_key(body.message)):
        reason = printable(body.message, response).rstrip(".") or "it gives no reason"
        raise KeyRefusedError(
            f"The API refused the key (HTTP {status} for {response.url}): {reason}. No more data "
            f"is loaded until a valid API key is set: {KEY_SETTING}. API keys are deactivated "
            "together with the account of the person who created them."
        )


def _refuse_status(response: Response, body: Body, hint: str) -> None:
    status = response.status_code
    if status < 300:
        return
    if response.is_redirect:
        raise ApiError(_redirect(response))
    problem = _report(response, body, f"is HTTP {status}")
    if status == 429 or (status == 403 and is_rate_limit(body.message)):
        failure: type[PassingError] = RateLimitError
    elif status in settings.RETRY_STATUSES:
        failure = PassingError
    elif status == 403:
        denied = DENIED_BY_PROXY if body.is_html else DENIED
        raise ApiError(f"{problem} {denied}")
    else:
        is_end = 400 <= status < 500 and status not in NEVER_THE_END
        raise ApiError(problem + (hint if is_end else ""))
    wait = retry_after(response)
    if wait is None:
        response.headers.pop("Retry-After", None)  # the retry reads it, too
    elif wait > settings.MAX_RETRY_AFTER:
        raise ApiError(
            f"{problem} The API asks to come back in more than "
            f"{settings.MAX_RETRY_AFTER // 60} minutes: run again later."
        )
    # a server that fails past the end of its list says 500; the others really mean "later"
    raise failure(problem + (hint if status == 500 else ""), response=response)


def _redirect(response: Response) -> str:
    """Return what a redirect means. Only one by a slash is followed (`BoundedAdapter`)."""
    location = response.headers["location"]
    place = printable(location.partition("?")[0], response)
    try:
        goal, here = urlsplit(urljoin(response.url, location)), urlsplit(response.url)
    except ValueError:  # it is no URL
        goal = here = urlsplit(response.url)
    setting = f"[sources.{settings.SECTION}] base_url"
    redirects = f"The API redirects {response.url} to {place}"
    if LOGIN.search(goal.path):
        return (
            f"{redirects}, a login page: it does not accept the API key, or not from this "
            f"network. Nothing can be loaded. Check {KEY_SETTING}, and whether the API needs a VPN."
        )
    if goal.netloc != here.netloc:
        return (
            f"{redirects}: set {setting} to its root if the API has moved there. The redirect was "
            "not followed, as another host must not get the API key. If it is not the API's own, "
            "the API key or this network is not accepted."
        )
    return f"{redirects}: set {setting} to where the API really is. The redirect was not followed."


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


def _report(response: Response, body: Body, problem: str) -> str:
    """Return a sentence on a response that is no page."""
    text = f"The response of {response.url} {problem}: {describe(response, body).rstrip('.')}."
    if response.status_code != 429 and may_refuse_key(body.message):
        text += f" As it mentions a token, the API key may be the cause: check {KEY_SETTING}."
    return text
