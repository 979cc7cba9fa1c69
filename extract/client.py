"""The HTTP client: where the API is, and what is retried."""

import logging
import os
import re
from ipaddress import ip_address
from urllib.parse import urlsplit

from dlt.sources.helpers.requests.retry import Client
from requests import PreparedRequest, Session

from extract import settings
from extract.answers import CutShortError, RateLimitError
from extract.errors import SettingsError
from extract.transport import BoundedAdapter, may_pass

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


def http_session(base_url: str) -> Session:
    """Return a session that retries what may pass, with a time-out on every request."""
    client = Client(
        request_timeout=settings.TIMEOUTS,
        raise_for_status=False,
        status_codes=settings.RETRY_STATUSES,
        exceptions=(CutShortError, RateLimitError),
        retry_condition=may_pass,
        request_max_attempts=settings.RETRIES + 1,
        request_backoff_factor=settings.BACKOFF_FACTOR,
        request_max_retry_delay=settings.MAX_RETRY_AFTER,
    )
    # it warns of headers that it cannot read, and quotes them: one may echo the key
    logging.getLogger("urllib3.connection").setLevel(logging.ERROR)
    session: Session = client.session
    # no more than is always decoded: a package that is installed by chance would add to it
    session.headers["Accept-Encoding"] = "gzip, deflate"
    for scheme in ("http://", "https://"):
        session.mount(scheme, BoundedAdapter())
    if is_loopback(urlsplit(base_url).hostname or ""):
        # a proxy of the environment must not stand between this machine and itself
        session.trust_env = False
        session.verify = os.environ.get("REQUESTS_CA_BUNDLE") or True
    return session
