"""The HTTP client: where the API is, and what is retried."""

import logging
import os
import re
from ipaddress import ip_address
from urllib.parse import urlsplit

from requests import PreparedRequest

from extract import settings
from extract.errors import SettingsError
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
    # no more than is always decoded: a package that is installed by chance would add to it
    session.headers["Accept-Encoding"] = "gzip, deflate"
    if is_loopback(urlsplit(base_url).hostname or ""):
        # a proxy of the environment must not stand between this machine and itself
        session.trust_env = False
        session.verify = os.environ.get("REQUESTS_CA_BUNDLE") or True
    return session
