"""Runs as a whole: the API a warehouse is bound to, leftovers, one run at a time, summaries."""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any

import dlt
import duckdb
import pytest

from extract import dbt_build, settings
from extract.dbt_build import BuildResult
from extract.folder import Folder
from extract.sandbox.server import ApiServer
from extract.warehouse import Warehouse
from tests.builders import Lists, lead, leads, user, users
from tests.conftest import API_KEY, Elt, Query

pytestmark = pytest.mark.usefixtures("without_models")


def ids(query: Query) -> list[int]:
    return [number for (number,) in query("select crmhero_user_id from raw.leads order by 1")]


def test_a_warehouse_refuses_another_api(
    lists: Lists, api: ApiServer, elt: Elt, query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    lists["leads"] = leads(3)
    elt("run")
    with ApiServer(lambda: lists, API_KEY) as other:
        monkeypatch.setenv("SOURCES__ANALYTICS_API__BASE_URL", other.url)
        for command in (("run",), ("run", "--full-refresh"), ("check",)):
            outcome = elt(*command)
            assert outcome.exit_code == 2
            assert "--rebind" in outcome.stdout + outcome.stderr
            assert api.url in outcome.stdout + outcome.stderr
        assert ids(query) == [1, 2, 3]
        lists["leads"].append(lead(99))
        assert elt("run", "--rebind").exit_code == 0
        assert ids(query) == [1, 2, 3, 99]
        assert elt("run").exit_code == 0
    monkeypatch.setenv("SOURCES__ANALYTICS_API__BASE_URL", api.url)
    assert elt("run").exit_code == 2


def test_a_rebound_warehouse_is_read_whole(
    lists: Lists, api: ApiServer, elt: Elt, query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cursor of one address says nothing about what changed at another."""
    lists["leads"] = leads(3)
    elt("run")
    moved = [*leads(200), lead(999, minutes_before=100_000)]
    with ApiServer(lambda: {"leads": moved, "users": []}, API_KEY) as other:
        monkeypatch.setenv("SOURCES__ANALYTICS_API__BASE_URL", other.url)
        assert elt("run", "--rebind").exit_code == 0
    assert len(ids(query)) == 201


def test_rebinding_with_one_list_reads_the_other_whole_later(
    lists: Lists, api: ApiServer, elt: Elt, query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    lists["users"] = users(3)
    elt("run")
    with ApiServer(lambda: {"leads": [], "users": users(120)}, API_KEY) as other:
        monkeypatch.setenv("SOURCES__ANALYTICS_API__BASE_URL", other.url)
        assert elt("run", "--rebind", "--resources", "leads").exit_code == 0
        assert elt("run").exit_code == 0
        assert query("select mode from raw.elt_runs order by load_id desc limit 1") == [("full",)]
    assert query("select count(*) from raw.users") == [(120,)]


def test_one_spelling_of_base_url_is_as_good_as_another(
    lists: Lists, api: ApiServer, elt: Elt, monkeypatch: pytest.MonkeyPatch
) -> None:
    elt("run")
    monkeypatch.setenv("SOURCES__ANALYTICS_API__BASE_URL", api.url.rstrip("/"))
    assert elt("run").exit_code == 0


@pytest.mark.parametrize("stage", ["normalize", "load"])
def test_what_a_failed_run_left_behind_is_thrown_away_and_read_again(
    lists: Lists,
    api: ApiServer,
    elt: Elt,
    query: Query,
    monkeypatch: pytest.MonkeyPatch,
    stage: str,
) -> None:
    lists["leads"] = leads(120)
    elt("run")
    lists["leads"][60] = lead(61, -1, name="first")
    with monkeypatch.context() as broken:
        broken.setattr(dlt.Pipeline, stage, lambda _: 1 / 0)
        outcome = elt("run")
    assert outcome.exit_code == 1
    assert "ZeroDivisionError" in outcome.stderr
    lists["leads"][60] = lead(61, -2, name="second")
    assert elt("run").exit_code == 0
    assert query("select name from raw.leads where crmhero_user_id = 61") == [("second",)]


def test_local_state_can_be_lost(lists: Lists, api: ApiServer, elt: Elt, data_dir: Path) -> None:
    lists["leads"], lists["users"] = leads(120), users(120)
    elt("run")
    assert not (data_dir / "dlt").exists()
    before = len(api.requests)
    assert elt("run").exit_code == 0
    assert len(api.requests) - before == 2


def test_rows_are_loaded_as_parquet(
    lists: Lists, api: ApiServer, elt: Elt, monkeypatch: pytest.MonkeyPatch
) -> None:
    lists["leads"] = [lead(1), lead(None)]
    files: list[str] = []
    load = dlt.Pipeline.load

    def spy(pipeline: dlt.Pipeline, *args: Any, **kwargs: Any) -> Any:
        for load_id in pipeline.list_normalized_load_packages():
            jobs = pipeline.get_load_package_info(load_id).jobs["new_jobs"]
            files.extend(job.job_file_info.file_name() for job in jobs)
        return load(pipeline, *args, **kwargs)

    monkeypatch.setattr(dlt.Pipeline, "load", spy)
    assert elt("run").exit_code == 0
    assert {name.split(".")[0] for name in files} >= {"leads", "users", "rejected_rows", "elt_runs"}
    assert {name.rsplit(".", 1)[1] for name in files} == {"parquet"}


@contextmanager
def another_process(code: str) -> Iterator[subprocess.Popen[str]]:
    """Run Python code in another process, held where it stands until the block ends."""
    script = f"{code}\n    print('ready', flush=True)\n    input()"
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        yield process
        process.kill()


def test_a_second_run_at_once_is_refused_and_told_of_the_first(
    api: ApiServer, elt: Elt, data_dir: Path
) -> None:
    elt("run")
    with another_process(
        "from pathlib import Path\nfrom extract.folder import Folder\n"
        f"with Folder(Path({str(data_dir)!r})).locked():"
    ) as holder:
        outcome = elt("run")
    assert outcome.exit_code == 3
    assert f"process {holder.pid}" in outcome.stderr
    assert elt("run").exit_code == 0


def test_a_run_waits_for_the_dbt_of_a_killed_run(
    api: ApiServer, elt: Elt, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elt("run")
    waited: list[float] = []
    with another_process(
        "import sys\nfrom pathlib import Path\n"
        "from extract.dbt_build import LockedVenv\nfrom extract.folder import Folder\n"
        f"folder = Folder(Path({str(data_dir)!r}))\n"
        "with folder.locked():\n"
        "    venv = LockedVenv.restore(sys.prefix, current=True)\n"
        "    venv.lock = folder.lock\n"
        "    venv.start_command('python', '-c', 'import sys; sys.stdin.read()')"
    ) as killed:
        killed.kill()
        killed.wait()

        def end_dbt(seconds: float) -> None:
            waited.append(seconds)
            assert killed.stdin
            killed.stdin.close()

        monkeypatch.setattr("extract.folder.time.sleep", end_dbt)
        assert elt("run").exit_code == 0
    assert waited


def holding(data_dir: Path) -> AbstractContextManager[subprocess.Popen[str]]:
    """Let another program have the warehouse open."""
    warehouse_path = str(data_dir / "warehouse.duckdb")
    return another_process(
        f"import duckdb\nwith duckdb.connect({warehouse_path!r}, read_only=True):"
    )


@pytest.mark.parametrize("command", ["run", "check"])
def test_a_warehouse_that_another_program_has_open_is_told_plainly(
    api: ApiServer, elt: Elt, data_dir: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    elt("run")
    monkeypatch.setattr(settings, "LOCK_WAIT", 0)
    before = len(api.requests)
    with holding(data_dir) as tool:
        outcome = elt(command)
    assert outcome.exit_code == 1
    said = outcome.stdout + outcome.stderr
    assert "open in another program" in said
    assert str(tool.pid) in said
    if command == "run":
        assert len(api.requests) == before


@pytest.mark.parametrize("time_opened", range(1, 8))
def test_a_run_waits_for_a_program_to_close_the_warehouse(
    lists: Lists,
    api: ApiServer,
    elt: Elt,
    query: Query,
    data_dir: Path,
    monkeypatch: pytest.MonkeyPatch,
    time_opened: int,
) -> None:
    """Each of the seven times that a run opens it."""
    lists["leads"] = leads(3)
    elt("run")
    lists["leads"] = leads(4)
    tools: list[subprocess.Popen[str]] = []
    waited: list[float] = []
    times: list[Folder] = []
    connect = Folder.connect

    def close_tool(seconds: float) -> None:
        waited.append(seconds)
        tools[0].kill()
        tools[0].wait()

    def open_tool_and_wait(
        folder: Folder, *limits: Mapping[str, str]
    ) -> AbstractContextManager[duckdb.DuckDBPyConnection]:
        times.append(folder)
        if len(times) == time_opened:
            tools.append(opened.enter_context(holding(data_dir)))
        return connect(folder, *limits)

    monkeypatch.setattr(Folder, "connect", open_tool_and_wait)
    monkeypatch.setattr("extract.folder.time.sleep", close_tool)
    with ExitStack() as opened:
        assert elt("run").exit_code == 0
    assert waited
    assert len(times) == 7
    assert ids(query) == [1, 2, 3, 4]


def test_no_program_opens_the_warehouse_while_it_is_loaded(
    lists: Lists, api: ApiServer, elt: Elt, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lists["leads"] = leads(3)
    elt("run")
    refused: list[str] = []
    load = dlt.Pipeline.load

    def open_and_load(pipeline: dlt.Pipeline, *args: Any, **kwargs: Any) -> Any:
        code = f"import duckdb; duckdb.connect({str(data_dir / 'warehouse.duckdb')!r})"
        tool = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        refused.append(tool.stderr)
        return load(pipeline, *args, **kwargs)

    monkeypatch.setattr(dlt.Pipeline, "load", open_and_load)
    assert elt("run").exit_code == 0
    assert all("Could not set lock" in said for said in refused)
    assert refused


def test_a_table_that_somebody_dropped_is_told_with_what_to_do(
    lists: Lists, api: ApiServer, elt: Elt, data_dir: Path
) -> None:
    lists["leads"] = leads(3)
    elt("run")
    with duckdb.connect(str(data_dir / "warehouse.duckdb")) as warehouse:
        warehouse.execute("drop table raw.elt_runs")
    outcome = elt("run")
    assert outcome.exit_code == 1
    assert "elt_runs" in outcome.stderr
    assert "backup" in outcome.stderr


def test_the_data_folder_is_its_owners_alone(api: ApiServer, elt: Elt, data_dir: Path) -> None:
    data_dir.mkdir(mode=0o755)
    elt("run")
    assert data_dir.stat().st_mode & 0o777 == 0o700
    for path in data_dir.rglob("*"):
        assert path.stat().st_mode & 0o077 == 0, path


def test_a_data_folder_that_cannot_be_made_is_told_with_its_setting(
    api: ApiServer, elt: Elt, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("ELT__DATA_DIR", str(tmp_path / "file" / "data"))
    outcome = elt("run")
    assert outcome.exit_code == 2
    assert "ELT__DATA_DIR" in outcome.stderr


@pytest.mark.parametrize("name", ["o'clock", "50%", "what?"])
def test_a_data_folder_that_no_warehouse_can_be_in_is_refused(
    api: ApiServer, elt: Elt, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("ELT__DATA_DIR", str(tmp_path / name))
    outcome = elt("run")
    assert outcome.exit_code == 2
    assert "data_dir" in outcome.stderr


def test_dlt_writes_nothing_to_its_global_folder(api: ApiServer, elt: Elt, data_dir: Path) -> None:
    """Even with telemetry off it keeps an anonymous id there, by default in the home folder."""
    elt("check")
    assert Path(dlt.current.run_context().global_dir) == data_dir / "dlt"


def test_progress_is_shown_on_a_terminal_only(
    lists: Lists, api: ApiServer, elt: Elt, monkeypatch: pytest.MonkeyPatch
) -> None:
    lists["leads"] = leads(60)
    assert elt("run").stderr == ""
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    shown = elt("run", "--full-refresh").stderr
    assert "reading: leads 60 rows on 3 pages, users 0 rows on 1 pages" in shown
    assert "building and testing the models" in shown


def test_dbt_by_hand_finds_the_warehouse_of_the_last_run(
    api: ApiServer, elt: Elt, data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert elt("run").exit_code == 0
    assert (tmp_path / "last_run" / "warehouse.duckdb").samefile(data_dir / "warehouse.duckdb")
    monkeypatch.setenv("ELT__DATA_DIR", str(tmp_path / "second"))
    assert elt("run").exit_code == 0
    assert (tmp_path / "last_run").resolve() == tmp_path / "second"


def test_the_summary_for_schedulers_is_one_json_object(
    lists: Lists, api: ApiServer, elt: Elt, data_dir: Path
) -> None:
    lists["leads"] = [*leads(3), lead(None)]
    outcome = elt("run", "--json")
    summary = json.loads(outcome.stdout)
    assert summary["status"] == "ok"
    assert summary["mode"] == "full"
    assert summary["warehouse"] == str(data_dir / "warehouse.duckdb")
    assert summary["tables"]["leads"] == {
        "rows_read": 4,
        "rows_new": 3,
        "rows_changed": 0,
        "rows_rejected": 1,
        "rows_removed": 0,
        "requests": 2,
    }
    assert set(summary["durations"]) == {"extract", "load", "transform", "publish"}
    api.api_key = "revoked"
    outcome = elt("run", "--json")
    failure = json.loads(outcome.stdout)
    assert (failure["status"], failure["exit_code"]) == ("failed", 2)
    assert "refused the key" in failure["error"]


def test_failed_tests_are_named_with_exit_code_1(
    lists: Lists, api: ApiServer, elt: Elt, query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    lists["leads"] = leads(3)
    result = BuildResult(tests_passed=4, tests_failed=1, failures={"unique_x": "Got 2 results"})
    monkeypatch.setattr(dbt_build, "build", lambda *_: result)
    outcome = elt("run")
    assert outcome.exit_code == 1
    assert "4 passed, 0 warned, 1 failed" in outcome.stdout
    assert "unique_x: Got 2 results" in outcome.stdout
    assert json.loads(elt("run", "--json").stdout)["status"] == "failed"
    assert ids(query) == [1, 2, 3]


def test_each_run_that_loads_is_noted_with_its_load_id(
    lists: Lists, api: ApiServer, elt: Elt, query: Query
) -> None:
    lists["leads"] = leads(3)
    lists["users"] = [user("u1", 7)]
    elt("run")
    elt("run", "--resources", "users")
    runs = query(
        "select load_id, leads_rows_read, users_rows_read, started_at <= finished_at "
        "from raw.elt_runs order by started_at"
    )
    assert [run[1:] for run in runs] == [(3, 1, True), (None, 1, True)]
    assert query("select distinct _dlt_load_id from raw.leads") == [(runs[0][0],)]
    assert query("select distinct _dlt_load_id from raw.users") == [(runs[1][0],)]


def test_comparing_counts_new_and_changed_rows_by_their_newest_copy(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    listed = tmp_path / "listed.parquet"
    with duckdb.connect(str(folder.warehouse)) as connection:
        connection.execute("create schema raw")
        connection.execute(
            "create table raw.leads as select * from (values"
            " (1, 'same', json('{}'), 'v0'), (2, 'old', json('{}'), 'v0'), (3, 'gone', null, 'v0')"
            ") as t (crmhero_user_id, name, attributes, _version)"
        )
        connection.execute(
            "copy (select * from (values"
            " (1, 'same', '{}', 'v1', null), (1, 'stale', '{}', 'v0', null),"
            " (2, 'new', '{}', 'v1', null), (4, 'new', null, 'v1', 'unknown field')"
            f") as t (crmhero_user_id, name, attributes, _version, extra)) to '{listed}'"
        )
    with folder.connect() as connection:
        assert Warehouse(connection).compare("leads", {"leads": [str(listed)]}) == (1, 1)
