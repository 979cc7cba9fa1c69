"""A small HTTP server for the two lists, with the answers and refusals of the real API.

`GET /v1/leads/list` and `GET /v1/users/list`, newest `last_update` first, `page` from 0 and
`per_page` rows a page, bearer token checked. The list ends with an empty page. A test can answer
any request differently through `fault`.
"""

import json
import os
import socket
import struct
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

Row = dict[str, Any]
Lists = Callable[[], Mapping[str, Sequence[Row]]]

MAX_PER_PAGE = 100  # rows; a request for more is capped without a word, as real APIs do
WRONG_KEY = {"error": {"message": "Access token not found.", "code": 0}}
NO_KEY = {
    "error": {
        "message": "You must provide a valid header Authorization: Bearer <TOKEN>",
        "code": 0,
    }
}


@dataclass(frozen=True)
class ListRequest:
    """One request for a page of a list."""

    name: str
    page: int
    per_page: int
    params: dict[str, str]
    headers: dict[str, str]
    attempt: int  # 1 for the first request of this list and page, 2 for the next


@dataclass(frozen=True)
class Reply:
    """What the server sends.

    `cut_at` ends the connection after so many bytes of the body, `reset` before the first.
    """

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = "application/json"
    cut_at: int | None = None
    reset: bool = False

    @classmethod
    def of_json(cls, payload: object, status: int = 200, **headers: str) -> "Reply":
        """Return a JSON answer; underscores in header names stand for dashes."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return cls(status, json.dumps(payload).encode(), named)


Fault = Callable[[ListRequest], Reply | None]


class ApiServer:
    """Serves the lists on 127.0.0.1 while its `with` block runs.

    Args:
        lists: called for every request; returns the rows of `leads` and `users`.
        api_key: the bearer token it accepts.
        port: loopback port; 0 takes a free one.
        fault: may return another reply for a request, or None for the true one.
    """

    def __init__(
        self, lists: Lists, api_key: str, port: int = 0, fault: Fault | None = None
    ) -> None:
        self.lists = lists
        self.api_key = api_key
        self.fault = fault
        self.max_per_page = MAX_PER_PAGE
        self.requests: list[ListRequest] = []
        self._attempts: dict[tuple[str, int], int] = {}
        self._http = _HttpServer(("127.0.0.1", port), _Handler)
        self._http.api = self

    @property
    def url(self) -> str:
        """The API's root, to be used as `base_url`."""
        return f"http://127.0.0.1:{self._http.server_port}/v1/"

    def __enter__(self) -> Self:
        threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._http.shutdown()
        self._http.server_close()

    def reply(self, target: str, headers: dict[str, str]) -> Reply:
        """Return the answer to one GET request."""
        parts = urlsplit(target)
        name = parts.path.removeprefix("/v1/").removesuffix("/list")
        if parts.path != f"/v1/{name}/list" or name not in ("leads", "users"):
            return Reply.of_json({"error": {"message": "Not found.", "code": 0}}, 404)
        if not headers.get("authorization", "").startswith("Bearer "):
            return Reply.of_json(NO_KEY, 500)
        if headers["authorization"] != f"Bearer {self.api_key}":
            return Reply.of_json(WRONG_KEY, 500)
        params = {key: values[-1] for key, values in parse_qs(parts.query).items()}
        try:
            page, per_page = int(params.get("page", 0)), int(params.get("per_page", 50))
        except ValueError:
            return Reply.of_json({"error": {"message": "Invalid parameter.", "code": 0}}, 400)
        request = self._remember(name, page, per_page, params, headers)
        if self.fault and (reply := self.fault(request)):
            return reply
        rows = list(self.lists()[name])
        if params.get("sort") == "last_update":
            newest_first = params.get("sort_direction") == "desc"
            rows.sort(key=lambda row: str(row.get("last_update") or ""), reverse=newest_first)
        size = min(per_page, self.max_per_page)
        return Reply.of_json({"data": {name: rows[page * size : (page + 1) * size]}})

    def _remember(
        self, name: str, page: int, per_page: int, params: dict[str, str], headers: dict[str, str]
    ) -> ListRequest:
        attempt = self._attempts[name, page] = self._attempts.get((name, page), 0) + 1
        request = ListRequest(name, page, per_page, params, headers, attempt)
        self.requests.append(request)
        return request


class _HttpServer(ThreadingHTTPServer):
    daemon_threads = True
    api: ApiServer


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # one packet an answer
    server: _HttpServer

    def do_GET(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        reply = self.server.api.reply(self.path, headers)
        if reply.reset:
            # linger 0: close() sends a reset instead of an orderly end
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            os.close(self.connection.detach())
            self.close_connection = True
            return
        self.send_response(reply.status)
        self.send_header("Content-Type", reply.content_type)
        self.send_header("Content-Length", str(len(reply.body)))
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(reply.body if reply.cut_at is None else reply.body[: reply.cut_at])
        self.close_connection = self.close_connection or reply.cut_at is not None

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: the command that serves the sandbox tells what it needs to."""
