"""dbt that breaks off: its results so far are no reason to publish."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from subprocess import CalledProcessError
from typing import Any

import pytest

from extract.dbt_build import BuildRunner
from extract.sandbox.server import ApiServer
from tests.support.elt import Elt

TRACEBACK = "Traceback (most recent call last):\n  File dbt\nOSError: broken off"


@pytest.mark.parametrize("printed", [TRACEBACK, "OSError: broken off"])
def test_dbt_that_breaks_off_after_some_tests_passed_is_a_failure_of_one_line(
    api: ApiServer, elt: Elt, data_dir: Path, monkeypatch: pytest.MonkeyPatch, printed: str
) -> None:
    def execute(_: BuildRunner, command: str, arguments: Sequence[str]) -> Any:
        target = Path(os.environ["DBT_TARGET_PATH"])
        target.mkdir(exist_ok=True)
        passed = {
            "unique_id": "test.contacts.first.1a2b",
            "status": "pass",
            "message": None,
            "relation_name": None,
        }
        (target / "run_results.json").write_text(json.dumps({"results": [passed]}))
        print(printed)
        raise CalledProcessError(1, "dbt")

    monkeypatch.setattr(BuildRunner, "execute", execute)
    outcome = elt("run")
    assert outcome.exit_code == 1
    log = data_dir / "logs" / "dbt.log"
    assert outcome.stderr == f"elt: dbt could not build: OSError: broken off See {log}.\n"
    assert not (data_dir / "contacts.duckdb").exists()
