"""`elt check` and what a run and a check report of settings; the sandbox for curl."""

import io
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import requests
from dlt.common.configuration.container import Container
from dlt.common.configuration.specs.pluggable_run_context import PluggableRunContext

from extract import commands, settings
from extract.__main__ import main
from extract.project import ProjectContext
from extract.sandbox import API_KEY as SANDBOX_KEY
from extract.sandbox.server import ApiServer, Reply
from tests.support.builders import Lists, at, leads
from tests.support.elt import SETTINGS, Elt


def test_check_finds_all_well(lists: Lists, api: ApiServer, elt: Elt, data_dir: Path) -> None:
    lists["leads"] = leads(120)
    outcome = elt("check")
    assert outcome.exit_code == 0
    assert [line.split()[:2] for line in outcome.stdout.splitlines()] == [
        ["ok", "versions:"],
        ["ok", "settings:"],
        ["ok", "warehouse:"],
        ["ok", "API"],
        ["ok", "leads:"],
        ["ok", "leads:"],
        ["ok", "leads:"],
        ["ok", "users:"],
    ]
    assert f"{data_dir / 'warehouse.duckdb'} is writable, nothing loaded yet" in outcome.stdout
    assert len([request for request in api.requests if request.name == "leads"]) == 4


def test_check_warns_of_an_api_that_breaks_its_contract(
    lists: Lists, api: ApiServer, elt: Elt, monkeypatch: pytest.MonkeyPatch
) -> None:
    lists["leads"] = leads(120)
    api.max_per_page = 30
    outcome = elt("check")
    assert outcome.exit_code == 0
    assert "\nwarning leads: the API sends 30 rows for a page of 50" in outcome.stdout
    api.fault = lambda request: Reply(404) if request.page > 4 else None
    assert "\nwarning leads: the API fails on page 100000" in elt("check").stdout


def test_check_tries_the_sandbox_too(
    elt: Elt, monkeypatch: pytest.MonkeyPatch, data_dir: Path
) -> None:
    monkeypatch.setenv("SOURCES__ANALYTICS_API__BASE_URL", "sandbox")
    outcome = elt("check")
    assert outcome.exit_code == 0
    assert str(data_dir / "sandbox" / "warehouse.duckdb") in outcome.stdout


def test_check_reports_that_the_api_key_was_refused(api: ApiServer, elt: Elt) -> None:
    api.api_key = "revoked"
    outcome = elt("check")
    assert outcome.exit_code == 2
    assert "failed  API and key: The API refused the key" in outcome.stdout


def test_check_reports_that_the_api_cannot_be_reached(
    elt: Elt, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ApiServer(lambda: {}, "key") as gone:
        monkeypatch.setenv("SOURCES__ANALYTICS_API__BASE_URL", gone.url)
    outcome = elt("check")
    assert outcome.exit_code == 1
    assert "failed  API and key: No complete response" in outcome.stdout


def test_a_setting_that_cannot_work_ends_the_run_before_any_request(
    api: ApiServer, elt: Elt, monkeypatch: pytest.MonkeyPatch
) -> None:
    """tests/unit/test_settings.py has all such settings."""
    monkeypatch.setenv("SOURCES__ANALYTICS_API__PAGE_SIZE", "0")
    outcome = elt("run")
    assert outcome.exit_code == 2
    assert "page_size" in outcome.stderr
    assert len(outcome.stderr.splitlines()) == 1
    assert api.requests == []


def test_a_missing_api_key_ends_the_run_with_where_to_set_it(
    api: ApiServer, elt: Elt, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SOURCES__ANALYTICS_API__API_KEY")
    outcome = elt("run")
    assert outcome.exit_code == 2
    assert "api_key is not set" in outcome.stderr
    assert ".dlt/secrets.toml" in outcome.stderr
    assert "SOURCES__ANALYTICS_API__API_KEY" in outcome.stderr
    assert len(outcome.stderr.splitlines()) == 1


@pytest.fixture
def project_without_settings(tmp_path: Path) -> Iterator[None]:
    """Let dlt find its settings in a project of this test, which has none."""
    root = tmp_path / "project"
    (root / "transform").mkdir(parents=True)
    (root / ".dlt").mkdir()
    (root / ".dlt" / "config.toml").touch()
    context = Container()[PluggableRunContext]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(settings, "ROOT", root)
        for name in SETTINGS:
            patched.delenv(name)
        context.reload(ProjectContext())
        yield
    context.reload(ProjectContext())


@pytest.mark.usefixtures("project_without_settings")
def test_a_missing_base_url_ends_the_run_with_where_to_set_it(elt: Elt) -> None:
    outcome = elt("run")
    assert outcome.exit_code == 2
    assert "[sources.analytics_api] base_url in .dlt/config.toml" in outcome.stderr
    assert "SOURCES__ANALYTICS_API__BASE_URL" in outcome.stderr
    assert len(outcome.stderr.splitlines()) == 1


def test_a_package_without_its_project_ends_with_how_to_install_it(
    elt: Elt, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "ROOT", tmp_path)
    outcome = elt("run")
    assert outcome.exit_code == 2
    assert "pip install --editable" in outcome.stderr


def test_a_failure_of_the_api_shows_a_traceback_with_debug_alone(api: ApiServer, elt: Elt) -> None:
    api.fault = at(Reply(400, b"no"))
    plain, debug = elt("run"), elt("run", "--debug")
    assert "Traceback" not in plain.stderr
    assert len(plain.stderr.splitlines()) == 1
    assert "Traceback" in debug.stderr


def test_the_sandbox_is_served_for_curl_until_it_is_interrupted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    printed = io.BytesIO()  # what another program sees of a buffered stdout
    found: list[dict[str, object]] = []

    def wait() -> None:
        command = printed.getvalue().decode().splitlines()[1]
        assert command.split()[:2] == ["curl", "-H"]
        url = command.split("'")[3]
        header = {"Authorization": f"Bearer {SANDBOX_KEY}"}
        found.extend(requests.get(url, headers=header, timeout=30).json()["data"]["leads"])
        raise KeyboardInterrupt

    event = SimpleNamespace(Event=lambda: SimpleNamespace(wait=wait))
    monkeypatch.setattr(commands, "threading", event)
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(printed))
    assert main(["sandbox", "--port", "0"]) == 0
    assert len(found) == 2
    assert "crmhero_user_id" in found[0]


def test_a_port_in_use_is_reported(api: ApiServer, elt: Elt) -> None:
    outcome = elt("sandbox", "--port", api.url.split(":")[2].split("/")[0])
    assert outcome.exit_code == 1
    assert "Cannot serve on port" in outcome.stderr
