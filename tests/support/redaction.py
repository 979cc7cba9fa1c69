"""Searches what a command printed, logged and wrote for an API key in any spelling."""

import base64
import gzip
import html
import logging
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from unittest.mock import patch
from urllib.parse import quote

import duckdb
import pytest
from dlt.common import logger as dlt_logger
from dlt.common.configuration.utils import get_resolved_traces
from dlt.common.versioned_state import decompress_state

from extract.errors import causes
from extract.sandbox.server import Reply
from tests.support.elt import Outcome
from tests.support.servers import OK

# its two words are in every spelling that leaves letters and digits as they are
KEY = 'rec0gnisable/k3y+with=="&<>%\\fragm3nt'
SPELLINGS = {
    "plain": KEY,
    "capitals": KEY.upper(),
    "slashes as PHP writes them": KEY.replace("\\", "\\\\").replace("/", "\\/"),
    "plus as .NET writes it": KEY.replace("+", "\\u002B"),
    "percent": quote(KEY, safe=""),
    "percent in small letters": quote(KEY, safe="").lower(),
    "percent twice": quote(quote(KEY, safe=""), safe=""),
    "HTML": html.escape(KEY),
    "HTML numbers": "".join(f"&#{ord(c)};" for c in KEY),
    "JSON numbers": "".join(f"\\u{ord(c):04x}" for c in KEY),
    "base64": base64.b64encode(KEY.encode()).decode(),
    "base64 of the header": base64.b64encode(f"Bearer {KEY}".encode()).decode(),
    "base64 for URLs": base64.urlsafe_b64encode(f"x{KEY}".encode()).decode(),
}
# replies that contain the API key
ECHOES = {
    **{
        f"body: {name}": Reply(400, f"No project {spelling} here.".encode())
        for name, spelling in SPELLINGS.items()
    },
    "body that may pass": Reply(503, KEY.encode()),
    "body behind blanks": Reply(400, b" " * 1980 + KEY.encode()),  # most of it is not shown
    "body that breaks off": Reply(200, b'{"data": {"leads": [{"token": "' + KEY.encode()),
    "body in UTF-16": Reply(400, KEY.encode("utf-16"), content_type="text/plain; charset=utf-16"),
    "refusal": Reply.of_json({"error": {"message": f"Access token not found. {KEY}"}}, 401),
    "error as 200": Reply.of_json({"error": {"message": KEY}, KEY: KEY}),
    "no list": Reply.of_json({"data": {KEY: KEY}}),
    "Location": Reply(307, headers={"Location": f"https://{quote(KEY)}.example.com/{KEY}?{KEY}"}),
    "Retry-After": Reply(429, headers={"Retry-After": KEY}),
    "Set-Cookie": Reply(400, headers={"Set-Cookie": f"token={quote(KEY)}; path=/"}),
    "Content-Type": Reply(200, b"\xff", content_type=f"text/plain; charset={KEY}"),
    "Content-Encoding": Reply(200, b"\xff", headers={"Content-Encoding": KEY}),
    "other headers": Reply(400, headers={"X-Authorization": f"Bearer {KEY}", KEY[:12]: KEY}),
    "header without a colon": Reply(400, headers={f"X: y\r\n{KEY} is no header\r\nZ": "z"}),
}
# responses that contain the API key and are hardly HTTP
NO_HTTP = {
    "status line": f"ERROR {KEY}\r\n\r\n".encode(),
    "status": f"HTTP/1.1 abc {KEY}\r\n\r\n".encode(),
    "reason": f"HTTP/1.1 500 {KEY}\r\nContent-Length: 0\r\n\r\n".encode(),
    "chunk": OK + f"Transfer-Encoding: chunked\r\n\r\n{KEY}\r\n".encode(),
    "over-long": OK + b"Content-Length: 99999999999\r\n\r\n" + KEY.encode(),
    "header line": OK + b"x: " + KEY.encode() * 4000 + b"\r\n\r\n",
}


@cache
def _needles() -> frozenset[bytes]:
    """Return what betrays the API key, in small letters; every spelling above has one of them."""
    words = ("rec0gnisable", "fragm3nt")
    found = {spelling.lower().encode() for spelling in SPELLINGS.values()}
    for word in words:
        found |= {word.encode(), word.encode("utf-16-le"), word.encode().hex().encode()}
        for before in range(3):
            inside = base64.b64encode(b" " * before + word.encode())
            found.add(inside[4:12].lower())
    return frozenset(found)


def assert_no_key(where: str, *contents: bytes) -> None:
    """Fail if one of the contents has the API key in any spelling."""
    for content in contents:
        low = content.lower()
        for needle in _needles():
            assert needle not in low, f"{where} contains {needle!r}"


def assert_no_key_in_failure(failure: BaseException | None) -> None:
    """Fail if an exception, one behind it, or their traceback has the API key."""
    assert failure
    for error in causes(failure):
        assert_no_key("an exception", str(error).encode(), repr(error).encode())
    assert_no_key("the traceback", "".join(traceback.format_exception(failure)).encode())


def assert_no_key_in_log(caplog: pytest.LogCaptureFixture) -> None:
    """Fail if a log record has the API key."""
    assert_no_key("the log", caplog.text.encode())
    for record in caplog.records:
        assert_no_key("a log record", repr(vars(record)).encode())


def assert_no_key_in_output(outcome: Outcome) -> None:
    """Fail if a command printed the API key."""
    assert_no_key("the output", f"{outcome.stdout}\n{outcome.stderr}".encode())


def assert_no_key_in_files(folder: Path) -> None:
    """Fail if the name or content of a file below a folder, which has files, has the API key."""
    files = [file for file in folder.rglob("*") if file.is_file() and not file.is_symlink()]
    assert files
    for file in files:
        assert_no_key(str(file), str(file).encode(), *_readable(file))


def _readable(file: Path) -> Iterator[bytes]:
    """Yield what a file contains, and what it contains compressed."""
    content = file.read_bytes()
    yield content
    if file.suffix == ".gz":
        yield gzip.decompress(content)
    if file.suffix == ".parquet":
        yield repr(duckdb.sql(f"select * from read_parquet('{file}')").fetchall()).encode()
    if file.suffix == ".duckdb":
        with duckdb.connect(str(file), read_only=True) as warehouse:
            tables = warehouse.sql("select schema_name, table_name from duckdb_tables()").fetchall()
            for schema, table in tables:
                relation = warehouse.sql(f'select * from "{schema}"."{table}"')
                rows = relation.fetchall()
                yield repr((relation.columns, rows)).encode()
                if table == "_dlt_pipeline_state":
                    place = relation.columns.index("state")
                    yield repr([decompress_state(row[place]) for row in rows]).encode()


@contextmanager
def all_is_logged(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Let dlt and urllib3 log as much as they can into `caplog` until the block ends."""
    get_resolved_traces().clear()  # which dlt writes into a file: settings of earlier tests
    caplog.set_level(logging.DEBUG)
    loggers = [logging.getLogger(name) for name in ("dlt", "urllib3")]
    for logger in loggers:
        logger.addHandler(caplog.handler)
        caplog.set_level(logging.DEBUG, logger.name)
    try:
        # which a pipeline makes, at the level that is configured
        with patch.object(dlt_logger, "LOGGER", loggers[0]):
            yield
    finally:
        for logger in loggers:
            logger.removeHandler(caplog.handler)
