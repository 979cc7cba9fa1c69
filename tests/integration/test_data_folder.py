"""The data folder: who may read it, where it cannot be, and what is written nowhere else."""

import re
import stat
from pathlib import Path

import dlt
import duckdb
import pytest
from dbt.adapters.duckdb.credentials import DuckDBCredentials

from extract import folder
from extract.errors import SettingsError
from extract.folder import Folder
from extract.sandbox.server import ApiServer
from publish import publication
from tests.support import templates
from tests.support.builders import Lists, lead, leads
from tests.support.elt import Elt


def test_the_data_folder_is_private_to_its_owner(
    lists: Lists, api: ApiServer, elt: Elt, data_dir: Path, without_models: None
) -> None:
    lists["leads"] = [*leads(3), lead(None)]
    data_dir.mkdir(mode=0o755)
    outcome = elt("run")
    assert (outcome.exit_code, outcome.stderr) == (0, "")
    assert stat.S_IMODE(data_dir.stat().st_mode) == 0o700
    assert (data_dir / "warehouse.duckdb").exists()
    for path in data_dir.rglob("*"):
        assert path.stat().st_mode & 0o077 == 0, path


@pytest.mark.parametrize("command", ["run", "check"])
def test_a_data_folder_that_cannot_be_made_is_reported_with_its_setting(
    api: ApiServer, elt: Elt, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("ELT__DATA_DIR", str(tmp_path / "file" / "data"))
    outcome = elt(command)
    assert outcome.exit_code == 2
    assert "ELT__DATA_DIR" in outcome.stdout + outcome.stderr


UNUSABLE = {
    "o'clock": "'", "50%": "%", "what?": "?", "team#1": "#", "env=prod": "=", "two\nlines": "\n",
    "a\ttab": "\t", "delete\x7f": "\x7f", "latin-1 \udce9": "\udce9",
}  # fmt: skip


@pytest.mark.parametrize("name", UNUSABLE, ids=ascii)
@pytest.mark.parametrize("below", ["", "contacts"])
def test_a_data_folder_with_a_character_that_no_path_of_a_warehouse_can_contain_is_refused(
    tmp_path: Path, name: str, below: str
) -> None:
    with pytest.raises(SettingsError, match=re.escape(repr(UNUSABLE[name]))) as refused:
        Folder(tmp_path / name / below).create()
    assert "ELT__DATA_DIR" in str(refused.value)
    assert not (tmp_path / name).exists()


# all other characters of ASCII, and some beyond it
USABLE = """ !"$&()*+,-.:;<>@[\\]^_`{|}~ [a-z] ** {a,b} {{ 1/0 }} ${HOME} C: ünï 🦆 \xa0"""


@pytest.fixture
def usable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A configured data folder whose path contains every character that one can contain."""
    path = tmp_path / USABLE
    monkeypatch.setenv("ELT__DATA_DIR", str(path))
    return path


def test_a_data_folder_with_any_other_character_can_be_loaded(
    lists: Lists, api: ApiServer, elt: Elt, usable: Path, without_models: None
) -> None:
    lists["leads"] = [*leads(3), lead(None)]
    assert elt("run").exit_code == 0
    lists["leads"] = [*leads(2), lead(4)]
    outcome = elt("run", "--full-refresh")
    assert (outcome.exit_code, outcome.stderr) == (0, "")
    with duckdb.connect(str(usable / "warehouse.duckdb"), read_only=True) as warehouse:
        ids = warehouse.sql("select crmhero_user_id from raw.leads order by all").fetchall()
    assert ids == [(1,), (2,), (4,)]


def test_a_data_folder_with_any_other_character_can_be_built_and_published(
    sandbox_folder: Path, usable: Path
) -> None:
    """Dbt takes the name of the database from the path."""
    templates.copy_data(sandbox_folder, usable)
    warehouse = usable / "warehouse.duckdb"
    assert DuckDBCredentials.path_derived_database_name(warehouse) == "warehouse"
    shown = publication.publish(Folder(usable))
    assert publication.published(Folder(usable)) == shown
    assert Path(shown.path).exists()


def test_a_refused_data_folder_ends_the_run(
    api: ApiServer, elt: Elt, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ELT__DATA_DIR", str(tmp_path / "o'clock"))
    outcome = elt("run")
    assert outcome.exit_code == 2
    assert "data_dir" in outcome.stderr
    assert api.requests == []


def test_dlt_writes_nothing_to_its_global_folder(api: ApiServer, elt: Elt, data_dir: Path) -> None:
    """Even with telemetry off it keeps an anonymous id there, by default in the home folder."""
    elt("check")
    assert Path(dlt.current.run_context().global_dir) == data_dir / "dlt"


def test_dbt_run_manually_finds_the_warehouse_of_the_last_run(tmp_path: Path) -> None:
    for name in ("first", "second"):
        Folder(tmp_path / name).become_last_run()
        assert folder.LAST_RUN.readlink() == tmp_path / name
    assert [path.name for path in folder.LAST_RUN.parent.iterdir()] == ["last_run"]


def test_a_link_that_cannot_be_written_fails_no_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setattr(folder, "LAST_RUN", tmp_path / "file" / "last_run")
    Folder(tmp_path / "data").become_last_run()
    assert "will not find this warehouse" in caplog.text
