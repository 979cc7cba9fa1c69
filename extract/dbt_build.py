"""The transform stage: one command of dbt on the project in `transform/`, on dlt's dbt runner."""

import contextlib
import io
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import CalledProcessError, Popen
from typing import Any, cast

import dlt
from dlt.common.runners import Venv
from dlt.common.utils import custom_environ
from dlt.helpers.dbt.exceptions import DBTNodeResult, DBTProcessingError
from dlt.helpers.dbt.runner import DBTPackageRunner

from extract import settings
from extract.engines import Engine
from extract.errors import EltError
from extract.memory import default_memory_limit, is_out_of_memory

PROJECT = settings.ROOT / "transform"


class BuildRunner(DBTPackageRunner):
    """dlt's runner with `dbt build`: models and tests in one process and in the right order.

    A mart is not built on staging that failed its tests, and dbt starts once instead of four times.
    """

    def execute(self, command: str, arguments: Sequence[str]) -> Sequence[DBTNodeResult]:
        """Run `dbt build`, or another command.

        Raises:
            DBTProcessingError: a model or a blocking test failed.
        """
        return self._run_dbt_command(command, arguments, self._get_package_vars())


class LockedVenv(Venv):
    """This interpreter's environment; what is started in it inherits the lock of the run."""

    lock: int

    def start_command(self, entry_point: str, *arguments: Any, **options: Any) -> Popen[str]:
        """Start a process."""
        return super().start_command(entry_point, *arguments, pass_fds=(self.lock,), **options)


@dataclass
class BuildResult:
    """What a build did: counts, and what was not well by the name of the model or test."""

    models_built: int = 0
    tests_passed: int = 0
    tests_warned: int = 0
    tests_failed: int = 0
    skipped: int = 0
    warnings: dict[str, str] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, run_results: Path) -> "BuildResult":
        """Sum up dbt's `run_results.json`."""
        result = cls()
        for node in json.loads(run_results.read_text())["results"]:
            name, message = node["unique_id"].split(".")[2], node["message"]
            if node["relation_name"] and node["status"] in ("warn", "fail"):
                message += f": select * from {node['relation_name']}"
            match node["status"]:
                case "success" if node["relation_name"]:
                    result.models_built += 1
                case "pass":
                    result.tests_passed += 1
                case "warn":
                    result.tests_warned += 1
                    result.warnings[name] = message
                case "success" | "no-op":  # a hook or an exposure, say
                    pass
                case "skipped":
                    result.skipped += 1
                case "fail":
                    result.tests_failed += 1
                    result.failures[name] = message
                case _:
                    result.failures[name] = message
        return result


def build(pipeline: dlt.Pipeline, engine: Engine, full_refresh: bool) -> BuildResult:
    """Build and test all models on the pipeline's warehouse.

    Raises:
        EltError: dbt did not get as far as building.
    """
    return _run(pipeline, engine, "build", *(["--full-refresh"] if full_refresh else []))


def test(pipeline: dlt.Pipeline, engine: Engine) -> BuildResult:
    """Test what is built.

    Raises:
        EltError: nothing is built, or not to its good end, or dbt did not get as far as testing.
    """
    engine.check_built(pipeline)
    return _run(pipeline, engine, "test")


def _run(pipeline: dlt.Pipeline, engine: Engine, command: str, *arguments: str) -> BuildResult:
    """Run a command; what needs more memory than the profile allows is tried with all there is."""
    result = _run_once(pipeline, engine, command, *arguments)
    if any(map(is_out_of_memory, result.failures.values())):
        with custom_environ({"CONTACTS_MEMORY_LIMIT": default_memory_limit()}):
            return _run_once(pipeline, engine, command, *arguments)
    return result


def _run_once(pipeline: dlt.Pipeline, engine: Engine, command: str, *arguments: str) -> BuildResult:
    """Run a command without the unit tests of the models' logic: they belong to development."""
    # the interpreter that runs this, not the first one on the PATH: cron has another
    venv = cast(LockedVenv, LockedVenv.restore(sys.prefix, current=True))
    folder = engine.folder
    venv.lock = folder.lock
    package = dlt.dbt.package(pipeline, str(PROJECT), venv=venv)
    package.config.package_profile_name = engine.name
    # dlt's own profile would download DuckDB extensions
    package.config.package_profiles_dir = str(PROJECT)
    runner = BuildRunner(
        venv,
        package.credentials,
        package.working_dir,
        package.source_dataset_name,
        package.config,
    )
    environment = {
        "DLT_PROJECT_DIR": str(settings.ROOT),  # the runner's process finds its settings there
        "DBT_TARGET_PATH": str(folder.dbt),
        "DBT_LOG_PATH": str(folder.logs),
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        "DBT_USE_COLORS": "false",
        **engine.environment(),
    }
    run_results = folder.dbt / "run_results.json"
    run_results.unlink(missing_ok=True)
    said = io.StringIO()  # what dbt prints is also in its log; stdout is for our own answer
    ended_well = False
    with (
        custom_environ(environment),
        contextlib.redirect_stdout(said),
        contextlib.suppress(DBTProcessingError, CalledProcessError),
    ):
        runner.execute(
            command, ["--exclude-resource-type", "unit_test", *engine.dbt_arguments, *arguments]
        )
        ended_well = True
    result = BuildResult.read(run_results) if run_results.exists() else None
    if result and (ended_well or result.failures):
        return result
    error = said.getvalue().strip()
    if "Traceback" in error:
        error = error.splitlines()[-1]
    raise EltError(f"dbt could not {command}: {error} See {folder.logs}/dbt.log.")
