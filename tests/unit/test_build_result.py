"""What a build reports of dbt's results."""

import json
from pathlib import Path
from typing import Any

from extract.dbt_build import BuildResult


def read(folder: Path, results: list[dict[str, Any]]) -> BuildResult:
    file = folder / "run_results.json"
    file.write_text(json.dumps({"results": results}))
    return BuildResult.read(file)


def node(number: int, status: str, has_relation: bool) -> dict[str, Any]:
    return {
        "unique_id": f"test.contacts.node{number}.1a2b",
        "status": status,
        "message": f"message {number}",
        "relation_name": f'"audit"."node{number}"' if has_relation else None,
    }


def test_a_build_is_summed_up_by_status(tmp_path: Path) -> None:
    statuses = {
        "success": True, "pass": False, "warn": True, "fail": True, "error": False,
        "skipped": False, "no-op": False,
    }  # fmt: skip
    counted = {"success": 2, "pass": 3}
    names = [name for name in statuses for _ in range(counted.get(name, 1))]
    nodes = [node(n, name, statuses[name]) for n, name in enumerate(names)]
    hook = {
        "unique_id": "operation.contacts.hook",
        "status": "success",
        "message": "passed",
        "relation_name": None,
    }
    assert read(tmp_path, [*nodes, hook]) == BuildResult(
        models_built=2,
        tests_passed=3,
        tests_warned=1,
        tests_failed=1,
        skipped=1,
        warnings={"node5": 'message 5: select * from "audit"."node5"'},
        failures={"node6": 'message 6: select * from "audit"."node6"', "node7": "message 7"},
    )


def test_an_error_of_a_model_shows_no_select_of_its_rows(tmp_path: Path) -> None:
    assert read(tmp_path, [node(1, "error", True)]).failures == {"node1": "message 1"}


def test_an_unknown_status_is_a_failure(tmp_path: Path) -> None:
    assert read(tmp_path, [node(1, "runtime error", False)]).failures == {"node1": "message 1"}


def test_nothing_built_is_nothing_counted(tmp_path: Path) -> None:
    assert read(tmp_path, []) == BuildResult()
