"""Erasing a person from files: no byte of it is left, and a failure leaves the old warehouse."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dlt
import duckdb
import pytest

from extract import forget
from extract.folder import Folder
from extract.sandbox.server import ApiServer
from publish import publication
from tests.support.builders import Lists, Load, lead
from tests.support.elt import Elt, Query
from tests.support.erasure import NAME, contents, files_with, opened, write_warehouse
from tests.support.processes import another_process, reading


def test_what_runs_left_behind_goes_too(
    loaded: Load, elt: Elt, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded([lead(417, name=NAME), lead(418)], [])
    with monkeypatch.context() as broken:
        broken.setattr(dlt.Pipeline, "load", lambda _: 1 / 0)
        assert elt("run", "--full-refresh").exit_code == 1
    for place in ("logs/dbt.log.1", "dbt/run_results.json", "warehouse.duckdb.tmp/spilled.tmp"):
        (data_dir / place).parent.mkdir(exist_ok=True)
        (data_dir / place).write_text(f"Could not convert string '{NAME}' to INT32")
    left_in = {name.split("/")[0] for name in files_with(data_dir, NAME)}
    assert left_in == {"dlt", "logs", "dbt", "warehouse.duckdb", "warehouse.duckdb.tmp"}
    assert elt("forget", "417").exit_code == 0
    assert sorted(path.name for path in data_dir.iterdir()) == ["run.lock", "warehouse.duckdb"]
    assert files_with(data_dir, NAME) == set()
    assert elt("run").exit_code == 0


def test_a_killed_forget_leaves_the_old_warehouse_and_can_be_repeated(
    loaded: Load, elt: Elt, query: Query, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded([lead(417, name=NAME), lead(418)], [])
    with opened(data_dir) as warehouse:
        before = contents(warehouse)
    with monkeypatch.context() as broken:
        broken.setattr(Path, "replace", lambda *_: 1 / 0)
        assert elt("forget", "417").exit_code == 1
    with opened(data_dir) as warehouse:
        assert contents(warehouse) == before
    assert files_with(data_dir, NAME) == {"warehouse.duckdb"}
    assert files_with(data_dir, "lead418@") == {"warehouse.duckdb", "dlt/warehouse.duckdb"}
    shutil.copytree(data_dir, data_dir.with_name("as_killed"))
    assert elt("forget", "417").exit_code == 0
    assert files_with(data_dir, NAME) == set()
    assert query("select crmhero_user_id from raw.leads") == [(418,)]
    shutil.rmtree(data_dir)
    data_dir.with_name("as_killed").rename(data_dir)
    assert elt("run").exit_code == 0
    assert not (data_dir / "dlt").exists()


def test_a_person_that_only_published_versions_hold_is_erased(
    lists: Lists, api: ApiServer, elt: Elt, data_dir: Path
) -> None:
    """The warehouse may have been restored from a backup."""
    lists["leads"] = [lead(2)]
    write_warehouse(data_dir)
    with duckdb.connect(str(data_dir / "warehouse.duckdb")) as warehouse:
        warehouse.execute("create schema marts")
        warehouse.execute(
            f"create table marts.dim_contacts as from (values ('417', '{NAME}'), ('2', 'b')) "
            "as t (contact_id, name)"
        )
        warehouse.execute(
            "create table marts.fct_loads as select timestamp '2026-06-01 12:00:00' "
            "as finished_at, 1 as leads_rows_read, null as users_rows_read"
        )
    publication.publish(Folder(data_dir))
    with duckdb.connect(str(data_dir / "warehouse.duckdb")) as warehouse:
        warehouse.execute("create or replace table marts.dim_contacts as select '2' as contact_id")
    spilled = data_dir / "contacts.duckdb.tmp" / "of_a_killed_reader"
    spilled.parent.mkdir()
    spilled.write_text(NAME)
    outcome = elt("forget", "417")
    assert outcome.exit_code == 0
    assert ["published.dim_contacts", "1"] in [line.split() for line in outcome.stdout.splitlines()]
    with duckdb.connect(str(data_dir / "contacts.duckdb"), read_only=True) as contacts:
        assert contacts.sql("select contact_id from dim_contacts").fetchall() == [("2",)]
    assert not spilled.exists()
    assert files_with(data_dir, NAME) == set()
    assert elt("forget", "417").exit_code == 1


def test_a_forget_that_cannot_publish_leaves_the_old_warehouse_and_can_be_repeated(
    lists: Lists,
    api: ApiServer,
    elt: Elt,
    query: Query,
    data_dir: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A warehouse that no longer knows the person could not find it in what is published."""
    lists["leads"] = [lead(417, name=NAME), lead(418)]
    write_warehouse(data_dir)
    with monkeypatch.context() as broken:
        broken.setattr(forget, "publish_without", lambda *_: 1 / 0)
        assert elt("forget", "417").exit_code == 1
    assert query("select crmhero_user_id from raw.leads order by 1") == [(417,), (418,)]
    assert elt("forget", "417").exit_code == 0
    assert query("select crmhero_user_id from raw.leads") == [(418,)]


@contextmanager
def killed_while_writing(warehouse: Path, name: str) -> Iterator[None]:
    """Write rows to the history and keep the warehouse open, so that they are in its log."""
    with duckdb.connect(str(warehouse)) as connection:
        connection.execute(
            "insert into snapshots.snap_contacts values "
            f"('417', 'u2', '{name}'), ('418', 'u3', 'b')"
        )
        yield


def test_rows_in_the_log_of_a_killed_process_are_kept_or_erased_like_all_others(
    api: ApiServer, elt: Elt, query: Query, data_dir: Path
) -> None:
    write_warehouse(data_dir, "('1', 'u1', 'a')")
    with another_process(killed_while_writing, data_dir / "warehouse.duckdb", NAME) as process:
        process.kill()
    assert files_with(data_dir, NAME) == {"warehouse.duckdb.wal"}
    assert elt("forget", "417").exit_code == 0
    assert not (data_dir / "warehouse.duckdb.wal").exists()
    assert files_with(data_dir, NAME) == set()
    assert query("select contact_id from snapshots.snap_contacts") == [("1",), ("418",)]


def test_a_warehouse_behind_a_link_is_the_one_that_is_replaced(
    lists: Lists, api: ApiServer, elt: Elt, query: Query, data_dir: Path, tmp_path: Path
) -> None:
    lists["leads"] = [lead(417, name=NAME), lead(418)]
    write_warehouse(data_dir)
    elsewhere = tmp_path / "elsewhere.duckdb"
    (data_dir / "warehouse.duckdb").rename(elsewhere)
    (data_dir / "warehouse.duckdb").symlink_to(elsewhere)
    assert elt("forget", "417").exit_code == 0
    assert files_with(tmp_path, NAME) == set()
    assert (data_dir / "warehouse.duckdb").is_symlink()
    assert os.readlink(data_dir / "warehouse.duckdb") == str(elsewhere)
    assert query("select crmhero_user_id from raw.leads") == [(418,)]


def test_a_warehouse_keeps_the_format_of_its_file(
    api: ApiServer, elt: Elt, query: Query, data_dir: Path
) -> None:
    """BI tools have a DuckDB of their own."""
    write_warehouse(data_dir, "('417', null, null)")
    warehouse, newer = data_dir / "warehouse.duckdb", data_dir / "newer.duckdb"
    tags = "select tags from duckdb_databases() where database_name = 'warehouse'"
    default = query(tags)
    with duckdb.connect(str(warehouse)) as connection:
        connection.execute(f"attach '{newer}' (storage_version 'v1.2.0')")
        connection.execute("copy from database warehouse to newer")
    newer.replace(warehouse)
    before = query(tags)
    assert before != default
    assert elt("forget", "417").exit_code == 0
    assert query(tags) == before


def test_a_warehouse_in_use_is_not_touched(
    lists: Lists,
    api: ApiServer,
    elt: Elt,
    data_dir: Path,
    query: Query,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lists["leads"] = [lead(417)]
    write_warehouse(data_dir)
    monkeypatch.setattr("extract.settings.LOCK_WAIT", 0)
    with Folder(data_dir).locked():
        outcome = elt("forget", "417")
        assert outcome.exit_code == 3
        assert "Another run" in outcome.stderr
    with another_process(reading, data_dir / "warehouse.duckdb"):
        outcome = elt("forget", "417")
        assert outcome.exit_code == 1
        assert "open in another program" in outcome.stderr
    assert query("select crmhero_user_id from raw.leads") == [(417,)]
    assert elt("forget", "417").exit_code == 0
