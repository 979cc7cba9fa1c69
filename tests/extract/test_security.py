"""The key in nothing that is written, and values of the API as nothing but values."""

import base64
import gzip
import html
import json
import logging
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import duckdb
import pytest
from dlt.common.versioned_state import decompress_state

from extract import dbt_build, settings
from extract.sandbox.server import ApiServer, Reply
from tests.builders import FINAL, NO_LIST, PASSING, REFUSALS, Lists, at, lead, leads, user
from tests.conftest import Elt, Outcome, Query
from tests.servers import OK, raw_server, speak_tls

URL = "SOURCES__ANALYTICS_API__BASE_URL"
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


def needles() -> set[bytes]:
    """Return what betrays the key, in small letters: no spelling above is without one of them."""
    words = ("rec0gnisable", "fragm3nt")
    found = {spelling.lower().encode() for spelling in SPELLINGS.values()}
    for word in words:
        found |= {word.encode(), word.encode("utf-16-le"), word.encode().hex().encode()}
        for before in range(3):
            inside = base64.b64encode(b" " * before + word.encode())
            found.add(inside[4:12].lower())
    return found


def readable(file: Path) -> Iterator[bytes]:
    """Yield what a file holds, and what it holds compressed."""
    content = file.read_bytes()
    yield content
    if file.suffix == ".gz":
        yield gzip.decompress(content)
    if file.suffix == ".parquet":
        yield repr(duckdb.sql(f"select * from read_parquet('{file}')").fetchall()).encode()
    if file.suffix == ".duckdb":
        with duckdb.connect(str(file), read_only=True) as warehouse:
            tables = warehouse.sql(
                "select database_name, schema_name, table_name from duckdb_tables()"
            ).fetchall()
            for _, schema, table in tables:
                relation = warehouse.sql(f'select * from "{schema}"."{table}"')
                rows = relation.fetchall()
                yield repr((relation.columns, rows)).encode()
                if table == "_dlt_pipeline_state":
                    place = relation.columns.index("state")
                    yield repr([decompress_state(row[place]) for row in rows]).encode()


def assert_no_key(where: str, *contents: bytes) -> None:
    for content in contents:
        low = content.lower()
        for needle in needles():
            assert needle not in low, f"{where} holds {needle!r}"


Search = Callable[[Outcome], None]


@pytest.fixture(autouse=True)
def own_key(own_settings: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCES__ANALYTICS_API__API_KEY", KEY)


@pytest.fixture
def search(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Search]:
    """Log as much as can be, use the key, and search all that a run said and wrote for it."""
    monkeypatch.setenv("RUNTIME__LOG_LEVEL", "DEBUG")
    caplog.set_level(logging.DEBUG)
    loggers = [logging.getLogger(name) for name in ("dlt", "urllib3")]
    for logger in loggers:
        logger.addHandler(caplog.handler)
        caplog.set_level(logging.DEBUG, logger.name)  # dlt reads its level once in a process

    def searched(outcome: Outcome) -> None:
        assert_no_key("the output", f"{outcome.stdout}\n{outcome.stderr}".encode())
        assert_no_key("the log", caplog.text.encode())
        for record in caplog.records:
            assert_no_key("a log record", repr(vars(record)).encode())
        files = [file for file in tmp_path.rglob("*") if file.is_file() and not file.is_symlink()]
        assert files
        for file in files:
            assert_no_key(str(file), str(file).encode(), *readable(file))

    yield searched
    for logger in loggers:
        logger.removeHandler(caplog.handler)


@pytest.fixture
def api(lists: Lists, monkeypatch: pytest.MonkeyPatch) -> Iterator[ApiServer]:
    lists["leads"], lists["users"] = leads(3), [user("u1", 7)]
    with ApiServer(lambda: lists, KEY) as server:
        monkeypatch.setenv(URL, server.url)
        yield server


def test_the_search_itself_finds_every_spelling() -> None:
    for spelling in SPELLINGS.values():
        with pytest.raises(AssertionError):
            assert_no_key("a text", f"he said: {spelling}.".encode())


REPLIES = {**REFUSALS, **NO_LIST, **PASSING, **FINAL}


@pytest.mark.usefixtures("without_models")
@pytest.mark.parametrize("reply", REPLIES.values(), ids=REPLIES)
def test_no_failure_writes_the_key_anywhere(
    api: ApiServer, elt: Elt, search: Search, caplog: pytest.LogCaptureFixture, reply: Reply
) -> None:
    api.fault = at(reply)
    outcome = elt("run", "--debug", "--json")
    assert outcome.exit_code
    assert "Traceback" in outcome.stderr
    assert '"status": "failed"' in outcome.stdout
    assert "Making GET request to" in caplog.text  # dlt
    assert '"GET /v1/leads/list' in caplog.text or reply.reset  # urllib3
    search(outcome)


ECHOES = {
    **{
        f"body: {name}": Reply(400, f"No project {spelling} here.".encode())
        for name, spelling in SPELLINGS.items()
    },
    "body that may pass": Reply(503, KEY.encode()),
    "body behind blanks": Reply(400, b" " * 1990 + KEY.encode()),
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


@pytest.mark.usefixtures("without_models")
@pytest.mark.parametrize("reply", ECHOES.values(), ids=ECHOES)
def test_a_key_that_the_api_echoes_is_not_written(
    api: ApiServer, elt: Elt, search: Search, reply: Reply
) -> None:
    api.fault = at(reply)
    outcome = elt("run", "--debug", "--json")
    assert outcome.exit_code
    search(outcome)
    search(elt("check", "--debug"))


def test_a_masked_body_still_says_what_was_wrong(api: ApiServer, elt: Elt) -> None:
    for spelling in SPELLINGS.values():
        api.fault = at(Reply(400, f"No project {spelling} here.".encode()))
        assert "is HTTP 400: No project" in elt("run").stderr


NO_HTTP = {
    "status line": f"ERROR {KEY}\r\n\r\n".encode(),
    "status": f"HTTP/1.1 abc {KEY}\r\n\r\n".encode(),
    "reason": f"HTTP/1.1 500 {KEY}\r\nContent-Length: 0\r\n\r\n".encode(),
    "chunk": OK + f"Transfer-Encoding: chunked\r\n\r\n{KEY}\r\n".encode(),
    "over-long": OK + b"Content-Length: 99999999999\r\n\r\n" + KEY.encode(),
    "header line": OK + b"x: " + KEY.encode() * 4000 + b"\r\n\r\n",
}


@pytest.mark.usefixtures("without_models")
@pytest.mark.parametrize("answer", NO_HTTP.values(), ids=NO_HTTP)
def test_an_answer_that_is_hardly_http_does_not_betray_the_key(
    elt: Elt, search: Search, monkeypatch: pytest.MonkeyPatch, answer: bytes
) -> None:
    with raw_server(answer) as server:
        monkeypatch.setenv(URL, server.url)
        outcome = elt("run", "--debug", "--json")
    assert outcome.exit_code == 1
    search(outcome)


@pytest.mark.parametrize("key", ["key", "127", "self"])
def test_a_key_that_is_a_common_word_hides_no_reason(
    api: ApiServer, elt: Elt, waits: list[float], monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    monkeypatch.setenv("SOURCES__ANALYTICS_API__API_KEY", key)
    monkeypatch.setenv(URL, speak_tls(api))
    outcome = elt("run")
    assert outcome.exit_code == 2
    assert "The certificate of 127.0.0.1" in outcome.stderr
    assert waits == []


@pytest.mark.usefixtures("without_models")
def test_an_api_that_cannot_be_reached_or_trusted_does_not_betray_the_key(
    api: ApiServer, elt: Elt, search: Search, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(URL, speak_tls(api))
    outcome = elt("run", "--debug")
    assert outcome.exit_code == 2
    search(outcome)
    with ApiServer(lambda: {}, KEY) as gone:
        monkeypatch.setenv(URL, gone.url)
    outcome = elt("run", "--debug")
    assert outcome.exit_code == 1
    search(outcome)


@pytest.mark.usefixtures("without_models")
def test_a_base_url_with_secrets_in_it_is_refused_unseen(
    api: ApiServer, elt: Elt, search: Search, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data_dir.mkdir()
    (data_dir / "something").touch()
    secret = quote(KEY, safe="")
    for url in (
        f"https://user:{secret}@api.example.com/v1/",
        f"https://user:{KEY}@api.example.com/v1/",
        f"http://{secret}@127.0.0.1/",
        f"https://api.example.com/v1/?key={secret}",
        f"https://api.example.com/v1/#{secret}",
        f"https://api.example.com:{secret}/",
        KEY,
    ):
        monkeypatch.setenv(URL, url)
        for command in ("run", "check"):
            outcome = elt(command, "--debug")
            assert outcome.exit_code == 2
            search(outcome)


@pytest.mark.usefixtures("without_models")
def test_a_load_that_fails_does_not_betray_the_key(
    api: ApiServer, elt: Elt, search: Search, data_dir: Path
) -> None:
    assert elt("run").exit_code == 0
    for breakage in (
        "drop table leads; create view leads as select 1 as obstacle",
        "drop table users",
        "drop table _dlt_loads",
    ):
        warehouse = data_dir / "warehouse.duckdb"
        shutil.copy(warehouse, data_dir / "whole")
        with duckdb.connect(str(warehouse)) as connection:
            connection.execute("set search_path = 'raw'")
            connection.execute(breakage)
        outcome = elt("run", "--debug", "--json")
        assert outcome.exit_code == 1, breakage
        search(outcome)
        shutil.move(data_dir / "whole", warehouse)


@pytest.mark.usefixtures("without_models")
def test_rows_that_echo_the_key_are_loaded_without_it(
    lists: Lists, api: ApiServer, elt: Elt, search: Search, query: Query
) -> None:
    spelled = f"a {KEY}, {quote(KEY)} and {html.escape(KEY)}."
    lists["leads"] = [
        lead(1, name=spelled, attributes={KEY: [KEY]}, **{f"field {KEY}": 1}),
        lead(None, name=spelled),
    ]
    outcome = elt("run", "--debug", "--json")
    assert outcome.exit_code == 0
    search(outcome)
    assert query("select name, attributes from raw.leads") == [
        ("a ***, *** and ***.", '{"***":["***"]}')
    ]
    assert query("select count(*) from raw.rejected_rows where row_json like '%***%'") == [(1,)]


def test_a_short_key_leaves_rows_as_they_are(
    lists: Lists,
    api: ApiServer,
    elt: Elt,
    without_models: None,
    query: Query,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    api.api_key = "teal"
    monkeypatch.setenv("SOURCES__ANALYTICS_API__API_KEY", "teal")
    assert elt("run").exit_code == 0
    assert query("select distinct attributes from raw.leads") == [('{"favourite_colour":"teal"}',)]


def test_no_process_and_no_artefact_of_dbt_gets_the_key(
    lists: Lists,
    api: ApiServer,
    elt: Elt,
    search: Search,
    tmp_path: Path,
    data_dir: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    broken = tmp_path / "transform"
    shutil.copytree(settings.ROOT / "transform", broken, ignore=shutil.ignore_patterns("target"))
    (broken / "models" / "staging" / "stg_broken.sql").write_text("select * from no_such_table")
    monkeypatch.setattr(dbt_build, "PROJECT", broken)
    lists["leads"].append(lead(None, name=KEY))
    started = []
    begin = subprocess.Popen.__init__

    def noted(process: Any, command: Any, *arguments: Any, **options: Any) -> None:
        begin(process, command, *arguments, **options)
        started.append(repr(command).encode())
        seen = Path(f"/proc/{process.pid}/cmdline")  # what `ps` shows, where there is /proc
        if seen.exists():
            started.append(seen.read_bytes())

    monkeypatch.setattr(subprocess.Popen, "__init__", noted)
    outcome = elt("run", "--debug")
    assert "failed: stg_broken" in outcome.stdout
    search(outcome)
    assert (data_dir / "dbt" / "manifest.json").exists()
    assert any(b"run_dbt_command" in command for command in started)
    assert_no_key("the process list", *started)


HOSTILE = (
    "'; drop schema raw cascade; --",
    '"; drop table raw.leads; --',
    "{{ 1/0 }}",
    "{% raw %}",
    "{# not a comment",
    "../../../evil",
    "$(touch evil)",
    "`touch evil`",
    '"quoted"',
    "%s %(x)s {0} ?",
    "back\\slash",
    "two\nlines\x00\x1b[31m",
    "_dlt_load_id",
    "_dlt_id",
    "_version",
    "_cursor",
    "select",
    "Ünïcödé 🦆",
    "n" * 300,
)


def test_values_and_names_of_the_api_are_only_ever_data(
    lists: Lists, api: ApiServer, elt: Elt, query: Query, tmp_path: Path, data_dir: Path
) -> None:
    def list_all(minutes: int) -> None:
        odd = {text: text for text in HOSTILE}
        lists["leads"] = [
            lead(number, minutes, **odd, name=text, email=text, attributes={**odd, "role": text})
            for number, text in enumerate(HOSTILE, start=1)
        ]
        lists["users"] = [
            user(text, 1000 + number, minutes, **odd, name=text, email=text, attributes=odd)
            for number, text in enumerate(HOSTILE, start=1)
        ]

    for minutes in (0, -1):  # all rows change before the second run
        list_all(minutes)
        assert elt("run").exit_code == 0
        assert query("select name, email from raw.leads order by crmhero_user_id") == [
            (text, text) for text in HOSTILE
        ]
        assert query("select user_id from raw.users order by crmhero_user_id") == [
            (text,) for text in HOSTILE
        ]
        (row,) = query("select columns(*)::text from raw.leads where crmhero_user_id = 1")
        # two of the names are those of raw columns' hints, which take no other field's place
        assert sorted(value for value in row if value in HOSTILE) == sorted(
            [*HOSTILE, *HOSTILE[:1] * 2]
        )
        (attributes,) = query("select attributes from raw.leads where crmhero_user_id = 1")[0]
        assert json.loads(attributes) == {**{text: text for text in HOSTILE}, "role": HOSTILE[0]}
        assert query("select full_name from marts.dim_contacts where contact_id = '1'")
        assert query("select count(*) from marts.dim_contacts") == [(2 * len(HOSTILE),)]
        assert query("select count(distinct _dlt_load_id) from raw.leads") == [(1,)]
    assert {path.name for path in data_dir.iterdir()} == {
        "warehouse.duckdb",
        "contacts.duckdb",
        "parquet",
        "published",
        "run.lock",
        "dbt",
        "logs",
    }
    assert not list(tmp_path.rglob("*evil*"))
    assert not list(settings.ROOT.glob("*evil*"))
