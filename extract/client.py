"""The HTTP client: where the API is, what is retried, how the pages of a list are counted."""

import logging
import os
import re
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from dlt.sources.helpers.rest_client.paginators import PageNumberPaginator
from requests import PreparedRequest, Request, Response

from extract import settings
from extract.errors import ApiError, SettingsError
from extract.session import ApiSession

HOST = re.compile(r"([A-Za-z0-9_-]+([.][A-Za-z0-9_-]+)*|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?")


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


def http_session(base_url: str) -> ApiSession:
    """Return a session for the API at a URL, with a time-out on every request."""
    # it warns of headers that it cannot read, and quotes them: one may echo the key
    logging.getLogger("urllib3.connection").setLevel(logging.ERROR)
    session = ApiSession()
    if is_loopback(urlsplit(base_url).hostname or ""):
        # a proxy of the environment must not stand between this machine and itself
        session.trust_env = False
        session.verify = os.environ.get("REQUESTS_CA_BUNDLE") or True
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
