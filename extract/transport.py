"""From the request to a complete body: which TLS errors may pass, how long and large it can be.

`requests` would read a body of any size into memory, and wait for one that trickles in as long as
each byte comes in time.
"""

import re
import ssl
import time
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests
import urllib3
from requests import PreparedRequest, Response
from requests.adapters import HTTPAdapter
from requests.exceptions import SSLError

from extract import settings
from extract.errors import ApiError, EltError, causes
from extract.loopback import POOLS
from extract.masking import key_of, without_key

# a connection that breaks off during the TLS handshake, as it may at any other time
BROKEN_OFF = (ssl.SSLEOFError, ssl.SSLZeroReturnError, ssl.SSLSyscallError)
CHUNK = 2**16  # bytes
FOLLOWED = (301, 302, 307, 308)  # frameworks redirect by a slash with any of them
PAGE = re.compile(r"(?<=[?&]page=)-?[0-9]+")


class BoundedAdapter(HTTPAdapter):
    """Reads every response completely, within bounds, before anything else sees it.

    A redirect to the same path with or without a slash at its end is followed, other redirects are
    not: the API key goes to no other host, scheme or path. The path is remembered.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._paths: dict[str, str] = {}  # where the API redirects a path to

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        """Connect to `localhost` by each address of this machine."""
        super().init_poolmanager(*arguments, **options)
        self.poolmanager.pool_classes_by_scheme = POOLS

    def send(self, request: PreparedRequest, *arguments: Any, **options: Any) -> Response:
        """Send a request and read the response's body.

        dlt's hooks, which run next, read whatever is left of it without any bound. An error that
        quotes a response is replaced, not chained: dlt writes its chain into a file.
        """
        try:
            path = urlsplit(str(request.url)).path
            request = _with_path(request, self._paths.get(path, path))
            response = super().send(request, *arguments, **options)
            read_body(response)
            if other := _path_of_redirect(response):
                self._paths[path] = other
                response = super().send(_with_path(request, other), *arguments, **options)
                read_body(response)
            return response
        except (SSLError, EltError):
            raise
        except Exception as error:
            said = "\n".join(map(str, causes(error)))
            if without_key(said, key_of(request)) == said:
                raise
            masked = without_key(str(error), key_of(request))
        raise requests.ConnectionError(masked)


def _with_path(request: PreparedRequest, path: str) -> PreparedRequest:
    """Return a request for another path of the same host."""
    parts = urlsplit(str(request.url))
    if path == parts.path:
        return request
    other = request.copy()
    other.url = parts._replace(path=path).geturl()
    return other


def _path_of_redirect(response: Response) -> str | None:
    """Return where a redirect leads that only adds or removes a slash, None for another."""
    if response.status_code not in FOLLOWED or not response.is_redirect:
        return None
    here = urlsplit(response.url)
    try:
        goal = urlsplit(urljoin(response.url, response.headers["location"]))
    except ValueError:  # it is no URL
        return None
    is_here = (goal.scheme, goal.netloc) == (here.scheme, here.netloc)
    by_slash = goal.path in (f"{here.path}/", here.path.removesuffix("/"))
    return goal.path if is_here and by_slash and goal.path != here.path else None


def page_of(request: PreparedRequest) -> int | None:
    """Return the number of the page that is asked for."""
    match = PAGE.search(str(request.url))
    return int(match[0]) if match else None


def with_page(request: PreparedRequest, number: int) -> PreparedRequest:
    """Return a request for another page."""
    other = request.copy()
    other.url = PAGE.sub(str(number), str(request.url))
    return other


def read_body(response: Response) -> None:
    """Read a response's body, decompressed, within the limits of `settings`.

    Raises:
        ApiError: it is too large; more would not help.
        requests.ConnectionError: it broke off, or is not compressed as it says.
        requests.Timeout: it took too long as a whole.
    """
    body = bytearray()
    give_up_at = time.monotonic() + settings.MAX_ANSWER_SECONDS
    try:
        if (response.raw.length_remaining or 0) > settings.MAX_ANSWER_BYTES:
            raise _too_large(response)
        # read1 returns what has come, where read waits for as much as was asked for
        while chunk := response.raw.read1(CHUNK, decode_content=True):
            body += chunk
            if len(body) > settings.MAX_ANSWER_BYTES:
                raise _too_large(response)
            if time.monotonic() > give_up_at:
                raise requests.Timeout(
                    f"the response of {response.url} took more than {settings.MAX_ANSWER_SECONDS} s"
                )
    except urllib3.exceptions.HTTPError as error:
        raise requests.ConnectionError(error) from error
    finally:
        if not response.raw.closed:
            response.close()  # with the connection: what is left of the body is not read
    vars(response)["_content"] = bytes(body)


def _too_large(response: Response) -> ApiError:
    return ApiError(
        f"The response of {response.url} is larger than {settings.MAX_ANSWER_BYTES // 2**20} MiB: "
        f"set a lower [sources.{settings.SECTION}] page_size."
    )


def tls_problem(error: BaseException | None) -> str | None:
    """Return why no TLS connection was made, None where that is not so or may pass."""
    if not isinstance(error, SSLError):
        return None
    # requests wraps what urllib3 wraps
    reason = getattr(error.args[0], "reason", error.args[0]) if error.args else error
    cause = reason.args[0] if isinstance(reason, urllib3.exceptions.SSLError) else reason
    if isinstance(cause, BROKEN_OFF):
        return None
    host = urlsplit(str(error.request.url)).netloc if error.request else "the API"
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"The certificate of {host} was not accepted: {cause.verify_message}"
    return f"No TLS connection to {host}: {getattr(cause, 'reason', None) or cause}"


def may_pass(_: Response | None, error: BaseException | None) -> bool:
    """Tell whether to try again after what `requests` raised."""
    passing = isinstance(error, requests.ConnectionError | requests.Timeout)
    return passing and not tls_problem(error)
