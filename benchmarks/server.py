"""The API of the benchmark: pages out of files, for little CPU.

`GET /v1/leads/list` and `/v1/users/list` as the real API, HTTP/1.1 with connections that stay open.
`GET /control/...` is for the benchmark:

- `stats`: answers by list and by status, and the most requests that were in flight at once;
- `reset`: count from 0 again;
- `change?rows=100`: so many of the oldest rows of each list change and become its newest;
- `set?latency=50&rate=100&max_per_page=100`: milliseconds that each answer takes; answers a second,
  beyond which come 429s (0: no limit); the most rows a page.

`python -m benchmarks.server FOLDER` prints its port.
"""

import argparse
import asyncio
import json
import mmap
import sys
import time
from array import array
from collections import Counter
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from benchmarks.contacts import INDEX_TYPE, LISTS, SEPARATOR

API_KEY = "recognisable-key-4711"
WRONG_KEY = b'{"error":{"message":"Access token not found.","code":0}}'
NOT_FOUND = b'{"error":{"message":"Not found.","code":0}}'
TOO_MANY = b'{"error":{"message":"Too many requests.","code":0}}'
REASONS = {200: "OK", 404: "Not Found", 429: "Too Many Requests", 500: "Internal Server Error"}


class ServedList:
    """One list: the rows that changed since, then those of the file that did not."""

    def __init__(self, folder: Path, name: str) -> None:
        self._head = f'{{"data":{{"{name}":['.encode()
        self._index = array(INDEX_TYPE, (folder / f"{name}.index").read_bytes())
        with (folder / f"{name}.json").open("rb") as file:
            self._file = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self._old = len(self._index) - 1  # rows of the file that are still in their place
        self._changed: list[bytes] = []  # newest first

    def __len__(self) -> int:
        return len(self._changed) + self._old

    def page(self, number: int, size: int) -> bytes:
        """Return the body of a page."""
        begin = number * size
        end = min(begin + size, len(self))
        if begin >= end:
            return self._head + b"]}}"
        changed = self._changed[begin:end]
        first, last = max(begin - len(self._changed), 0), max(end - len(self._changed), 0)
        old = [self._rows(first, last)] if first < last else []
        return self._head + b",".join(changed + old) + b"]}}"

    def change(self, rows: int) -> None:
        """Change the oldest rows of the file."""
        if rows > self._old:
            raise ValueError(f"There are only {self._old} unchanged rows.")
        now = time.time()
        for _ in range(rows):
            self._old -= 1
            row = json.loads(self._rows(self._old, self._old + 1))
            row["last_update"] = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(now))
            row["last_activity"] = int(now)
            row["unsubscribe"] = 1 - row["unsubscribe"]
            self._changed.insert(0, json.dumps(row, separators=(",", ":")).encode())

    def _rows(self, first: int, end: int) -> bytes:
        return self._file[self._index[first] : self._index[end] - len(SEPARATOR)]


class Api:
    """The answers, what they are like, and how many there were."""

    def __init__(self, folder: Path) -> None:
        self.lists = {name: ServedList(folder, name) for name in LISTS}
        self.latency = 0.0  # seconds
        self.in_flight = 0
        self._rate = 0
        self._max_per_page = 100
        self._second = 0
        self._this_second = 0
        self._reset()

    def _reset(self) -> None:
        self._answers: Counter[str] = Counter()
        self._statuses: Counter[int] = Counter()
        self.most_in_flight = 0

    def answer(self, target: str, authorization: str) -> tuple[int, bytes]:
        """Return status and body of an answer to a request for a page."""
        parts = urlsplit(target)
        name = parts.path.removeprefix("/v1/").removesuffix("/list")
        if name not in self.lists or parts.path != f"/v1/{name}/list":
            status, body = 404, NOT_FOUND
        elif authorization != f"Bearer {API_KEY}":
            status, body = 500, WRONG_KEY
        elif self._is_too_many():
            status, body = 429, TOO_MANY
        else:
            params = dict(parse_qsl(parts.query))
            size = min(int(params.get("per_page", 50)), self._max_per_page)
            status, body = 200, self.lists[name].page(int(params.get("page", 0)), size)
        self._answers[name] += 1
        self._statuses[status] += 1
        return status, body

    def _is_too_many(self) -> bool:
        second = int(time.monotonic())
        if second != self._second:
            self._second, self._this_second = second, 0
        self._this_second += 1
        return bool(self._rate) and self._this_second > self._rate

    def control(self, target: str) -> bytes:
        """Obey the benchmark; return the statistics as JSON."""
        parts = urlsplit(target)
        params = {name: int(value) for name, value in parse_qsl(parts.query)}
        match parts.path.removeprefix("/control/"):
            case "reset":
                self._reset()
            case "change":
                for served in self.lists.values():
                    served.change(params["rows"])
            case "set":
                self.latency = params.get("latency", self.latency * 1000) / 1000
                self._rate = params.get("rate", self._rate)
                self._this_second = 0
                self._max_per_page = params.get("max_per_page", self._max_per_page)
        return json.dumps(self._stats()).encode()

    def _stats(self) -> dict[str, Any]:
        return {
            "requests": {name: self._answers[name] for name in LISTS},
            "statuses": {str(status): count for status, count in self._statuses.items()},
            "most_in_flight": self.most_in_flight,
            "rows": {name: len(served) for name, served in self.lists.items()},
        }


class Connection(asyncio.Protocol):
    """One connection: one request after the other, without bodies."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer a request once it is there, at once or after the latency."""
        self._received += data
        if not self._received.endswith(b"\r\n\r\n"):
            return
        request, self._received = self._received.decode("latin-1"), b""
        target = request.split(" ", 2)[1]
        if target.startswith("/control/"):
            self._send(200, self._api.control(target))
            return
        api = self._api
        api.in_flight += 1
        api.most_in_flight = max(api.most_in_flight, api.in_flight)
        status, body = api.answer(target, _header(request, "authorization"))
        if api.latency:
            loop = asyncio.get_running_loop()
            loop.call_later(api.latency, self._answer, status, body)
        else:
            self._answer(status, body)

    def _answer(self, status: int, body: bytes) -> None:
        self._api.in_flight -= 1
        self._send(status, body)

    def _send(self, status: int, body: bytes) -> None:
        wait = "Retry-After: 1\r\n" if status == 429 else ""
        head = (
            f"HTTP/1.1 {status} {REASONS[status]}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n{wait}\r\n"
        )
        self._transport.write(head.encode() + body)


def _header(request: str, name: str) -> str:
    for line in request.split("\r\n"):
        field, _, value = line.partition(":")
        if field.lower() == name:
            return value.strip()
    return ""


async def serve(folder: Path, port: int) -> None:
    """Serve the lists of a folder on 127.0.0.1 until the process is ended."""
    api = Api(folder)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(api), "127.0.0.1", port)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


def main() -> None:
    """Serve the lists that the command line names."""
    parser = argparse.ArgumentParser(description="Serve the lists of benchmarks.contacts.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--port", type=int, default=0, help="loopback port (default: a free one)")
    options = parser.parse_args()
    asyncio.run(serve(options.folder, options.port))


if __name__ == "__main__":
    main()
