"""The transform stage: one `dbt build` of the project in `transform/`, on dlt's dbt runner."""

import contextlib
import io
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from subprocess import CalledProcessError

import dlt
from dlt.common.runners import Venv
from dlt.common.utils import custom_environ
from dlt.helpers.dbt.exceptions import DBTNodeResult, DBTProcessingError
from dlt.helpers.dbt.runner import DBTPackageRunner

from extract import settings
from extract.errors import EltError
from extract.folder import Folder

PROJECT = settings.ROOT / "transform"


class BuildRunner(DBTPackageRunner):
    """dlt's runner with `dbt build`: models and tests in one process and in the right order.

    A mart is not built on staging that failed its tests, and dbt starts once instead of four times.
    """

    def build(self, arguments: Sequence[str]) -> Sequence[DBTNodeResult]:
        """Run `dbt build`.

        Raises:
            DBTProcessingError: a model or a blocking test failed.
        """
        return self._run_dbt_command("build", arguments, self._get_package_vars())


@dataclass
class BuildResult:
    """What a build did: counts of tests, and the names and messages of what was not well."""

    models_built: int = 0
    tests_passed: int = 0
    tests_warned: int = 0
    tests_failed: int = 0
    skipped: int = 0
    warnings: dict[str, str] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, nodes: Sequence[DBTNodeResult]) -> "BuildResult":
        """Sum up the nodes of a build."""
        result = cls()
        for node in nodes:
            match node.status:
                case "success":
                    result.models_built += 1
                case "pass":
                    result.tests_passed += 1
                case "warn":
                    result.tests_warned += 1
                    result.warnings[node.model_name] = node.message
                case "skipped":
                    result.skipped += 1
                case "fail":
                    result.tests_failed += 1
                    result.failures[node.model_name] = node.message
                case _:
                    result.failures[node.model_name] = node.message
        return result


def build(pipeline: dlt.Pipeline, folder: Folder, full_refresh: bool) -> BuildResult:
    """Build and test all models on the pipeline's warehouse.

    Unit tests of the models' logic are left out: they belong to development.

    Raises:
        EltError: dbt did not get as far as building.
    """
    # the interpreter that runs this, not the first one on the PATH: cron has another
    venv = Venv.restore(sys.prefix, current=True)
    package = dlt.dbt.package(pipeline, str(PROJECT), venv=venv)
    # dlt's own profile would download DuckDB extensions
    package.config.package_profiles_dir = str(PROJECT)
    runner = BuildRunner(
        venv,
        package.credentials,
        package.working_dir,
        package.source_dataset_name,
        package.config,
    )
    arguments = ["--exclude-resource-type", "unit_test"]
    if full_refresh:
        arguments.append("--full-refresh")
    environment = {
        "DBT_TARGET_PATH": str(folder.dbt),
        "DBT_LOG_PATH": str(folder.logs),
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
    }
    said = io.StringIO()  # what dbt prints is also in its log; stdout is for our own answer
    with custom_environ(environment), contextlib.redirect_stdout(said):
        try:
            return BuildResult.of(runner.build(arguments))
        except DBTProcessingError as error:
            if error.run_results:
                return BuildResult.of(error.run_results)
            problem = said.getvalue().strip() or str(error.dbt_results)
        except CalledProcessError as error:
            problem = said.getvalue().strip() or str(error)
    raise EltError(f"dbt could not build: {problem}\nSee {folder.logs / 'dbt.log'}.")
