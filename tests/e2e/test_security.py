"""What dbt gets of a run: its processes, logs and artifacts no API key, and rows only as data."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from extract import dbt_build, settings
from extract.engines.file import File
from extract.sandbox.server import ApiServer
from tests.support.builders import Lists, lead, leads, user
from tests.support.dbt import LOG_LEVEL, only
from tests.support.elt import Elt, Query
from tests.support.redaction import (
    KEY,
    all_is_logged,
    assert_no_key,
    assert_no_key_in_files,
    assert_no_key_in_log,
    assert_no_key_in_output,
)
from tests.support.unexpected import HOSTILE


@pytest.fixture
def api(own_settings: None, lists: Lists, monkeypatch: pytest.MonkeyPatch) -> Iterator[ApiServer]:
    """An API that accepts the API key, which is the configured one."""
    monkeypatch.setenv("SOURCES__ANALYTICS_API__API_KEY", KEY)
    monkeypatch.setenv("RUNTIME__LOG_LEVEL", "DEBUG")
    with ApiServer(lambda: lists, KEY) as server:
        monkeypatch.setenv("SOURCES__ANALYTICS_API__BASE_URL", server.url)
        yield server


@pytest.fixture
def broken_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the run use a dbt project with a model that fails, beside all others."""
    broken = tmp_path / "broken"
    ignored = shutil.ignore_patterns("target", "logs")
    shutil.copytree(settings.ROOT / "transform", broken, ignore=ignored)
    (broken / "models" / "staging" / "stg_broken.sql").write_text("select * from no_such_table")
    monkeypatch.setattr(dbt_build, "PROJECT", broken)


def test_the_logs_and_artifacts_of_dbt_have_no_api_key_and_hostile_rows_are_only_data(
    lists: Lists,
    api: ApiServer,
    broken_project: None,
    with_dbt: None,
    elt: Elt,
    query: Query,
    caplog: pytest.LogCaptureFixture,
    data_dir: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(LOG_LEVEL, "debug")
    monkeypatch.setattr(File, "dbt_arguments", only("stg_broken", "+dim_leads"))
    fields: dict[str, Any] = {text: text for text in HOSTILE}
    for number, text in enumerate(HOSTILE, start=1):
        own = {**fields, "name": text, "email": text, "attributes": {**fields, "role": text}}
        lists["leads"].append(lead(number, **own))
        lists["users"].append(user(text, 1000 + number, **own))
    lists["leads"].append(lead(None, name=KEY))
    with all_is_logged(caplog):
        outcome = elt("run", "--debug")
    assert outcome.exit_code == 1
    failed = [line for line in outcome.stdout.splitlines() if line.startswith("  failed: ")]
    assert [line.split(":")[1].strip() for line in failed] == ["stg_broken"]
    assert_no_key_in_output(outcome)
    assert_no_key_in_log(caplog)
    for artifact in ("dbt/manifest.json", "dbt/run_results.json", "logs/dbt.log"):
        assert (data_dir / artifact).exists()
    assert_no_key_in_files(tmp_path)
    assert query("select full_name from marts.dim_leads order by cast(contact_id as int)") == [
        (text,) for text in HOSTILE
    ]
    assert query("select count(*) from snapshots.snap_contacts") == [(2 * len(HOSTILE),)]
    assert not list(tmp_path.rglob("*evil*"))


def test_the_process_list_shows_no_api_key(
    lists: Lists, api: ApiServer, elt: Elt, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What dbt's process is started with is noted, and another one, which does nothing, started."""
    lists["leads"] = leads(3)
    commands: list[Any] = []
    start = subprocess.Popen.__init__

    def note(process: Any, command: Any, *arguments: Any, **options: Any) -> None:
        commands.append(command)
        start(process, ["true"], *arguments, **options)

    monkeypatch.setattr(subprocess.Popen, "__init__", note)
    assert elt("run", "--debug").exit_code == 1
    assert "run_dbt_command" in repr(commands)
    assert_no_key("the process list", repr(commands).encode())
