"""The command line: help, exit codes, `check`, and what a scheduler's bare environment needs."""

import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import requests

from extract import settings
from extract.sandbox import API_KEY as SANDBOX_KEY
from extract.sandbox.server import ApiServer, Reply
from tests.builders import Lists, at, leads
from tests.conftest import Elt

ELT = Path(sys.executable).with_name("elt")


@pytest.mark.parametrize("command", [(), ("run",), ("check",), ("forget",), ("sandbox",)])
def test_help_is_everywhere(
    elt: Elt, capsys: pytest.CaptureFixture[str], command: tuple[str, ...]
) -> None:
    with pytest.raises(SystemExit) as ended:
        elt(*command, "--help")
    assert ended.value.code == 0
    assert "usage: elt" in capsys.readouterr().out


def test_the_exit_codes_are_documented(elt: Elt, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        elt("--help")
    said = capsys.readouterr().out
    for line in ("0  fine", "1  the pipeline or its tests failed", "3  another run is active"):
        assert line in said


def test_an_unknown_resource_is_a_usage_error(elt: Elt) -> None:
    with pytest.raises(SystemExit) as ended:
        elt("run", "--resources", "accounts")
    assert ended.value.code == 2


def test_check_finds_all_well(lists: Lists, api: ApiServer, elt: Elt, data_dir: Path) -> None:
    lists["leads"] = leads(3)
    outcome = elt("check")
    assert outcome.exit_code == 0
    assert [line.split()[0] for line in outcome.stdout.splitlines()] == ["ok"] * 4
    assert str(data_dir / "warehouse.duckdb") in outcome.stdout
    assert len(api.requests) == 1
    assert api.requests[0].per_page == 1


def test_check_tries_the_sandbox_too(elt: Elt, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCES__ANALYTICS_API__BASE_URL", "sandbox")
    assert elt("check").exit_code == 0


def test_check_says_that_the_key_was_refused(api: ApiServer, elt: Elt) -> None:
    api.api_key = "revoked"
    outcome = elt("check")
    assert outcome.exit_code == 2
    assert "failed  API and key: The API refused the key" in outcome.stdout


def test_check_says_that_the_api_cannot_be_reached(
    elt: Elt, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ApiServer(lambda: {}, "key") as gone:
        monkeypatch.setenv("SOURCES__ANALYTICS_API__BASE_URL", gone.url)
    outcome = elt("check")
    assert outcome.exit_code == 1
    assert "failed  API and key: No whole answer" in outcome.stdout


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PAGE_SIZE", "0"),
        ("PAGE_SIZE", "many"),
        ("LAG_SECONDS", "-1"),
        ("END_OF_LIST", "never"),
        ("FIRST_PAGE", "one"),
    ],
)
def test_a_setting_that_cannot_work_is_named(
    api: ApiServer, elt: Elt, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(f"SOURCES__ANALYTICS_API__{name}", value)
    outcome = elt("run")
    assert outcome.exit_code == 2
    assert name.lower() in outcome.stderr
    assert api.requests == []


def test_a_missing_key_is_told_with_where_to_set_it(
    api: ApiServer, elt: Elt, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SOURCES__ANALYTICS_API__API_KEY")
    outcome = elt("run")
    assert outcome.exit_code == 2
    assert ".dlt/secrets.toml" in outcome.stderr
    assert "SOURCES__ANALYTICS_API__API_KEY" in outcome.stderr


def test_a_failure_is_plain_lines_and_a_traceback_only_with_debug(api: ApiServer, elt: Elt) -> None:
    api.fault = at(Reply(400, b"no"))
    plain, debug = elt("run"), elt("run", "--debug")
    assert "Traceback" not in plain.stderr
    assert len(plain.stderr.splitlines()) == 1
    assert "Traceback" in debug.stderr


def test_the_sandbox_can_be_served_for_curl() -> None:
    command = [str(ELT), "sandbox", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout
        said = [server.stdout.readline(), server.stdout.readline()]
        url = said[1].split("'")[3]
        header = {"Authorization": f"Bearer {SANDBOX_KEY}"}
        answer = requests.get(url, headers=header, timeout=30)
        server.terminate()
    assert "crmhero_user_id" in answer.json()["data"]["leads"][0]
    assert "curl" in said[1]


def test_a_port_in_use_is_told_plainly(api: ApiServer, elt: Elt) -> None:
    outcome = elt("sandbox", "--port", api.url.split(":")[2].split("/")[0])
    assert outcome.exit_code == 1
    assert "Cannot serve on port" in outcome.stderr


def files_below(folder: Path) -> set[Path]:
    skipped = {".venv", ".git", "__pycache__", "data"}
    return {
        path
        for path in folder.rglob("*")
        if not skipped & set(path.parts) and not any(p.endswith("_cache") for p in path.parts)
    }


def test_cron_needs_no_folder_home_or_path_and_nothing_is_written_elsewhere(
    tmp_path: Path,
) -> None:
    home, data_dir, elsewhere = tmp_path / "home", tmp_path / "data", tmp_path / "elsewhere"
    for folder in (home, elsewhere):
        folder.mkdir()
    environment = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(home),
        "TMPDIR": str(elsewhere),
        "ELT__DATA_DIR": str(data_dir),
        "TZ": "America/New_York",
    }
    link = settings.ROOT / "transform" / "target"
    dlt_of_root = Path("/var/dlt")
    dlt_before = dlt_of_root.exists()
    project_before = files_below(settings.ROOT) | {link, link / "last_run"}
    target_before = (link / "last_run").readlink() if (link / "last_run").is_symlink() else None
    try:
        run = subprocess.run(
            [ELT, "run"], cwd="/", env=environment, capture_output=True, text=True, check=False
        )
        assert run.returncode == 0, run.stderr
        assert run.stderr == ""
        assert list(home.iterdir()) == []
        assert list(elsewhere.iterdir()) == []
        assert dlt_of_root.exists() == dlt_before
        assert files_below(settings.ROOT) <= project_before
        assert (data_dir / "sandbox" / "warehouse.duckdb").exists()
        assert stat.S_IMODE(data_dir.stat().st_mode) == 0o700
        again = subprocess.run(
            [sys.executable, "-m", "extract", "run"],
            cwd=settings.ROOT,
            env={**environment, "PATH": os.environ["PATH"]},
            capture_output=True,
            text=True,
            check=False,
        )
        assert again.returncode == 0, again.stderr
    finally:
        (link / "last_run").unlink(missing_ok=True)
        if target_before:
            (link / "last_run").symlink_to(target_before)


def test_a_missing_base_url_is_told_with_where_to_set_it(tmp_path: Path) -> None:
    """In a clone of its own: the project's settings have one."""
    for name in ("extract", "transform", ".dlt"):
        ignore = shutil.ignore_patterns("target")
        shutil.copytree(settings.ROOT / name, tmp_path / name, ignore=ignore)
    (tmp_path / ".dlt" / "config.toml").write_text("")
    run = subprocess.run(
        [sys.executable, "-m", "extract", "run"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 2
    assert "[sources.analytics_api] base_url in .dlt/config.toml" in run.stderr
    assert "SOURCES__ANALYTICS_API__BASE_URL" in run.stderr
