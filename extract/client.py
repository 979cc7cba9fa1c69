"""The HTTP client: what is retried, what fails at once, and when an answer is a page of the list.

dlt takes a page without the expected list for an empty one, and so for the end. Here every answer
is checked before dlt sees it, inside the retried request: what passes may come again, what does
not ends the run with the reason. Only a present, empty list ends a list.
"""

import html
import json
import math
import re
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from ipaddress import ip_address
from typing import Any
from urllib.parse import quote, urljoin, urlsplit

from dlt.sources.helpers.requests.retry import DEFAULT_RETRY_EXCEPTIONS, Client
from dlt.sources.helpers.rest_client.paginators import PageNumberPaginator
from requests import HTTPError, PreparedRequest, Request, Response, Session
from requests.exceptions import ContentDecodingError

from extract import settings
from extract.errors import ApiError, KeyRefusedError, SettingsError

# the API answers a bad key with HTTP 500 and one of these messages
REFUSALS = ("access token not found", "valid header authorization")
NO_ERROR: tuple[Any, ...] = (None, False, 0, "", [])
HOST = re.compile(r"([A-Za-z0-9_-]+([.][A-Za-z0-9_-]+)*|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?")
SHOWN_BODY = 200  # characters of an unexpected answer that an error shows


class PassingError(HTTPError):
    """A failure that may pass: retried, and the end of the run when it does not."""


class CutShortError(Exception):
    """A body that begins as JSON and breaks off: retried."""


def api_root(base_url: str) -> str:
    """Return `base_url` with one slash at its end.

    Raises:
        SettingsError: it is no URL of an API, carries a password, or would send the key in plain
            text over a network. The URL is not shown: it may hold a secret.
    """
    setting = f"[sources.{settings.SECTION}] base_url"
    url = base_url.strip().rstrip("/") + "/"
    try:
        parts = urlsplit(url)
        is_url = parts.scheme in ("http", "https") and HOST.fullmatch(parts.netloc)
        PreparedRequest().prepare_url(url, None)
    except ValueError:
        is_url = None
    if not is_url or "?" in url or "#" in url:
        raise SettingsError(
            f"{setting} is not the root of an API: set it to a URL such as "
            f"https://api.example.com/v1/, without user, password or parameters, or to "
            f'"{settings.SANDBOX}".'
        )
    if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
        raise SettingsError(
            f"{setting} is plain http: the key would cross the network unencrypted. "
            f"Set it to https://{parts.netloc}{parts.path}."
        )
    return url


def is_loopback(host: str) -> bool:
    """Tell whether a host name or address is this machine."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def http_session(base_url: str) -> Session:
    """Return a session that retries what may pass, with a time-out on every request."""
    session: Session = Client(
        request_timeout=settings.TIMEOUTS,
        raise_for_status=False,
        status_codes=settings.RETRY_STATUSES,
        exceptions=(*DEFAULT_RETRY_EXCEPTIONS, ContentDecodingError, CutShortError),
        request_max_attempts=settings.RETRIES + 1,
        request_backoff_factor=settings.BACKOFF_FACTOR,
        request_max_retry_delay=settings.MAX_RETRY_AFTER,
    ).session
    # a proxy of the environment must not stand between this machine and itself
    session.trust_env = not is_loopback(urlsplit(base_url).hostname or "")
    return session


class ListPaginator(PageNumberPaginator):
    """Counts pages until the list ends, and fails on an API that does not turn the page.

    Args:
        first_page: the number of the first page.
        page_size: rows that were asked for.
        end_of_list: "empty" ends the list with an empty page only, "short_page" also with a page
            of fewer rows than `page_size`.
    """

    def __init__(self, first_page: int, page_size: int, end_of_list: settings.EndOfList) -> None:
        super().__init__(base_page=first_page, page_param="page", total_path=None)
        self.page_size = page_size
        self.end_of_list = end_of_list

    def init_request(self, request: Request) -> None:
        """Begin a list anew."""
        super().init_request(request)
        self._last_rows: list[Any] = []
        self._times_seen = 0

    def update_state(self, response: Response, data: list[Any] | None = None) -> None:
        """Turn the page, or end the list.

        Raises:
            ApiError: three identical, non-empty pages in a row; no end would ever come.
        """
        rows = data or []
        self._times_seen = self._times_seen + 1 if rows == self._last_rows else 1
        self._last_rows = rows
        if rows and self._times_seen == 3:
            raise ApiError(
                f"The API sent the same page three times in a row, last for {response.url}. "
                "It ignores the parameter `page` (a proxy or a cache between?), or counts its "
                f"pages otherwise: check [sources.{settings.SECTION}] first_page."
            )
        super().update_state(response, rows)
        if self.end_of_list == "short_page" and len(rows) < self.page_size:
            self._has_next_page = False


def page_check(
    name: str, paginator: ListPaginator, on_answer: Callable[[], None]
) -> Callable[[Response], None]:
    """Return a response hook that lets only pages of the list `name` through.

    It runs inside the retried request, so that what it raises is retried if it may pass, and
    leaves the parsed body on the response for dlt.

    Args:
        name: `leads` or `users`.
        paginator: the list's paginator; tells whether the failing page may lie past the end.
        on_answer: called once for every answer, retried ones included.
    """

    def check(response: Response) -> None:
        on_answer()
        payload = _parse(response)
        _refuse_key(response, payload)
        hint = _past_the_end_hint(paginator)
        _refuse_status(response, hint)
        if payload is None:
            if _is_cut_short(response):
                raise CutShortError(_describe(response, "broke off in the middle of its JSON"))
            raise ApiError(_describe(response, "is not JSON") + hint)
        # PHP encodes "no error" in many ways, but an object in its place is one
        if isinstance(payload, dict) and payload.get("error") not in NO_ERROR:
            raise ApiError(_describe(response, "is an error dressed as a success") + hint)
        if not isinstance(_list_in(payload, name), list):
            raise ApiError(_describe(response, f"has no list at data.{name}") + hint)
        response.json = lambda **_: payload  # type: ignore[method-assign]  # parsed once is enough

    return check


def _parse(response: Response) -> Any:
    try:
        return json.loads(response.content)
    except (ValueError, RecursionError):
        return None


def _is_cut_short(response: Response) -> bool:
    """Tell whether a body begins as JSON and ends before it is complete."""
    if response.content.lstrip()[:1] not in (b"{", b"["):
        return False
    body = response.content.decode(errors="ignore").rstrip()
    try:
        json.loads(body)
    except json.JSONDecodeError as error:
        # an escape or a literal that is cut lies up to 6 characters before the end
        return error.msg.startswith("Unterminated") or error.pos >= len(body) - 6
    except RecursionError:
        return False
    return True  # but for half a character


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
        target = urlsplit(urljoin(response.url, response.headers["location"]))
        place = f"{target.scheme}://{target.hostname}{target.path}"
        raise ApiError(
            f"The API redirects {response.url} to {place}: set [sources.{settings.SECTION}] "
            "base_url to where it really is."
        )
    if status not in settings.RETRY_STATUSES:
        raise ApiError(problem + hint)
    if _retry_after(response) > settings.MAX_RETRY_AFTER:
        raise ApiError(
            f"{problem} The API asks to come back in more than "
            f"{settings.MAX_RETRY_AFTER // 60} minutes: run again later."
        )
    # a server that errs past the end of its list says 500; the others really mean "later"
    raise PassingError(problem + (hint if status == 500 else ""), response=response)


def _retry_after(response: Response) -> float:
    """Return the seconds that `Retry-After` asks for, 0 where it is absent or unreadable."""
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
        return 0


def _past_the_end_hint(paginator: ListPaginator) -> str:
    if paginator.current_value == paginator.initial_value:
        return ""
    if paginator.end_of_list == "empty":
        return (
            " If this API answers so past the end of its list, set "
            f'[sources.{settings.SECTION}] end_of_list = "short_page".'
        )
    return (
        " If the length of this list is a multiple of the page size, its end cannot be told from "
        f"a failure: set another [sources.{settings.SECTION}] page_size."
    )


def _describe(response: Response, problem: str) -> str:
    """Return one sentence on an answer, with the start of its body and never the key."""
    body = " ".join(response.text[: 10 * SHOWN_BODY].split())
    body = "".join(character for character in body if character.isprintable())
    key = str(response.request.headers.get("Authorization", "")).removeprefix("Bearer ")
    if key:
        for spelling in {key, key.replace("/", "\\/"), quote(key, safe=""), html.escape(key)}:
            body = body.replace(spelling, "***")
    return f"The answer of {response.url} {problem}: {body[:SHOWN_BODY] or '(nothing)'}"
