"""What a run reports: its summary for people and for schedulers, its progress, its row in raw."""

import json
import re
from pathlib import Path

import pytest

from extract import dbt_build, folder
from extract.dbt_build import BuildResult
from extract.sandbox.server import ApiServer, Reply
from tests.support.builders import Lists, Load, at, lead, leads, user, users
from tests.support.elt import Elt, Query
from tests.support.syncs import lead_ids

pytestmark = pytest.mark.usefixtures("without_models")


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
        "requests": 4,
        "undecodable_rows": 0,
    }
    assert set(summary["durations"]) == {"extract", "load", "transform", "publish"}
    assert folder.LAST_RUN.resolve() == data_dir, "for dbt run manually"


def test_rows_with_bytes_that_are_not_utf_8_are_a_warning_with_their_number(
    lists: Lists, api: ApiServer, elt: Elt, query: Query
) -> None:
    lists["leads"] = [lead(1, name="Zoë"), lead(2, name="@"), lead(3, name="@")]
    page = json.dumps({"data": {"leads": lists["leads"]}}, ensure_ascii=False).encode()
    api.fault = at(Reply(200, page.replace(b'"@"', b'"\xe9"')))
    outcome = elt("run")
    assert outcome.exit_code == 0
    assert (
        "warning: 2 rows of leads contain bytes that are not UTF-8: each byte was loaded as the "
        "character U+FFFD" in outcome.stdout
    )
    assert query("select name from raw.leads order by name") == [
        ("Zoë",), ("\ufffd",), ("\ufffd",),
    ]  # fmt: skip
    api.fault = None
    lists["leads"] = [lead(1, -1, name="Zoë")]
    assert "UTF-8" not in elt("run").stdout


def test_a_refused_key_is_a_failure_in_json_too(api: ApiServer, elt: Elt) -> None:
    api.api_key = "revoked"
    outcome = elt("run", "--json")
    failure = json.loads(outcome.stdout)
    assert (outcome.exit_code, failure["status"], failure["exit_code"]) == (2, "failed", 2)
    assert "refused the key" in failure["error"]
    assert outcome.stderr == f"elt: {failure['error']}\n"


def test_failed_tests_are_named_with_exit_code_1(
    lists: Lists, loaded: Load, elt: Elt, query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded(leads(10), users(10))
    lists["leads"].append(lead(11, 11))
    result = BuildResult(
        tests_passed=4, tests_failed=1, skipped=2, failures={"unique_x": "Got 2 results"}
    )
    monkeypatch.setattr(dbt_build, "build", lambda *_: result)
    monkeypatch.setattr(dbt_build, "test", lambda *_: result)
    outcome = elt("run")
    assert outcome.exit_code == 1
    assert "4 passed, 0 warned, 1 failed" in outcome.stdout
    assert "unique_x: Got 2 results" in outcome.stdout
    assert "2 models and tests that depend on a failure were skipped" in outcome.stdout
    assert outcome.stderr.startswith("elt: nothing was published, as models or tests failed")
    assert lead_ids(query) == list(range(1, 12)), "the rows are loaded all the same"
    outcome = elt("publish", "--json")
    assert outcome.exit_code == 1
    assert json.loads(outcome.stdout)["status"] == "failed"


def test_each_run_that_loads_is_recorded_with_its_load_id(
    lists: Lists, loaded: Load, elt: Elt, query: Query
) -> None:
    loaded(leads(10), users(10))
    lists["users"].append(user("new", 7, -1))
    outcome = elt("run", "--resources", "users")
    assert re.search(r"raw\.users +11 +1 +0 +0 +2\n", outcome.stdout)
    assert "raw.leads" not in outcome.stdout
    runs = query(
        "select load_id, leads_rows_read, users_rows_read, started_at <= finished_at "
        "from raw.elt_runs order by started_at"
    )
    assert [run[1:] for run in runs] == [(10, 10, True), (None, 11, True)]
    assert query("select distinct _dlt_load_id from raw.leads") == [(runs[0][0],)]
    assert query("select distinct _dlt_load_id from raw.users") == [(runs[1][0],)]


def test_progress_is_shown_on_a_terminal(
    loaded: Load, elt: Elt, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded(leads(120), users(3))
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    shown = elt("run", "--full-refresh").stderr
    assert "reading: leads 120 rows on 6 pages, users 3 rows on 4 pages" in shown
    assert "building and testing the models" in shown
    assert shown.endswith("\r\x1b[K"), "the line is left to what is printed next"
