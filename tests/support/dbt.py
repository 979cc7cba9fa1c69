"""dbt for tests: in forked children, which share one parse of the project.

dbt parses the whole project again when the warehouse's path, a variable or the profile's name
differs. So every test uses the same ones: dbt runs in a folder of links to the project, where
`target/last_run` leads to the test's data folder, and the profile's default path leads through it.
What `elt run` passes instead, an absolute path in the environment, is covered by
tests/e2e/test_real_process.py.
"""

import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from subprocess import CalledProcessError
from typing import Any
from unittest.mock import patch

from dlt.common.configuration.utils import add_config_to_env
from dlt.common.utils import with_custom_environ

from extract import settings
from extract.dbt_build import BuildRunner
from tests.support.forked import Ended, run_in_child

TRANSFORM = settings.ROOT / "transform"
PARSED = "DBT_PARTIAL_PARSE_FILE_PATH"  # the variable that names dbt's file of the parsed project
# with "info", no debug messages are in dbt's log, and a run takes a sixth less CPU time
LOG_LEVEL = "DBT_LOG_LEVEL_FILE"
# as dlt's runner passes them: with others, dbt would parse the project again
SAME_PARSE = ("--vars", json.dumps({"source_dataset_name": settings.RAW}), "--profile")

Dbt = Callable[..., Ended]


def only(*selected: str) -> tuple[str, ...]:
    """Return `dbt_arguments` of an engine for runs of some models and the tests of these alone."""
    return ("--select", *selected, "--indirect-selection", "cautious")


def link_project(folder: Path, warehouse_folder: Path, project: Path = TRANSFORM) -> Path:
    """Make a dbt project of links to another one's files, with a test's warehouse as its last run.

    Args:
        folder: the new project's folder.
        warehouse_folder: the folder of `warehouse.duckdb`.
        project: the project to link to.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for entry in project.iterdir():
        link = folder / entry.name
        if entry.name not in ("target", "logs"):
            link.unlink(missing_ok=True)  # the project may have moved
            link.symlink_to(entry)
    last_run = folder / "target" / "last_run"
    last_run.parent.mkdir(exist_ok=True)
    last_run.unlink(missing_ok=True)
    last_run.symlink_to(warehouse_folder)
    return folder


def parse_project(folder: Path) -> Path:
    """Parse the project and return the file of the parsed project.

    Args:
        folder: keeps it for the next test session, whose parse is quick if little changed.
    """
    link_project(folder, folder / "no_warehouse")
    ended = run_dbt(folder, "parse", output=folder / "output")
    assert ended.exit_code == 0, ended.stdout
    return folder / "target" / "partial_parse.msgpack"


def run_dbt(
    project: Path, *arguments: str, output: Path, profile: str = "duckdb", **environment: str
) -> Ended:
    """Run a command of dbt manually: `dbt test` is `run_dbt(project, "test", output=folder)`.

    Args:
        project: the folder of the dbt project.
        arguments: the command and its options.
        output: a folder for what dbt prints.
        profile: the name of the profile.
        environment: variables that are set beside those of this process.
    """
    return run_in_child(
        _dbt_command,
        project,
        ("--no-use-colors", *arguments, *SAME_PARSE, profile),
        output=output,
        environment={LOG_LEVEL: "info", **os.environ, **environment},
    )


def _dbt_command(project: Path, arguments: Sequence[str]) -> int:
    from dbt.cli.main import cli

    os.chdir(project)
    cli.main(args=list(arguments), prog_name="dbt")
    return 0


def results(target: Path) -> dict[str, dict[str, Any]]:
    """Return the results of the last dbt command by the name of the node, without hooks.

    Args:
        target: the folder of dbt's artifacts.
    """
    run = json.loads((target / "run_results.json").read_text())

    def name(unique_id: str) -> str:
        kind, _, *names = unique_id.split(".")
        return names[1] if kind == "unit_test" else names[0]

    return {
        name(result["unique_id"]): result
        for result in run["results"]
        if not result["unique_id"].startswith("operation.")
    }


@contextmanager
def dbt_in_children(output: Path, parsed: Path | None) -> Iterator[None]:
    """Let `elt` commands of this process run dbt in forked children.

    Args:
        output: a folder of the test.
        parsed: the file of the parsed project; None lets dbt parse the project itself.
    """

    @with_custom_environ
    def run(
        runner: BuildRunner, command: str, arguments: Any = None, variables: Any = None
    ) -> Sequence[Any]:
        _prepare(runner, output / "dbt_project", parsed)
        ended = run_in_child(_run_as_dlt_does, *_call(runner, command, arguments, variables),
            output=output / "output",
        )  # fmt: skip
        sys.stdout.write(ended.stdout)
        if ended.exit_code:
            sys.stderr.write(ended.stderr)
            raise CalledProcessError(ended.exit_code, "dbt")
        return []

    with patch.object(BuildRunner, "_run_dbt_command", run):
        yield


def dbt_in_this_process(output: Path, parsed: Path | None) -> None:
    """Let an `elt` command of this process, which is itself a forked child, run dbt in it."""
    from dbt.adapters.duckdb.connections import DuckDBConnectionManager

    connections: Any = DuckDBConnectionManager  # its methods have no types

    @with_custom_environ
    def run(
        runner: BuildRunner, command: str, arguments: Any = None, variables: Any = None
    ) -> Sequence[Any]:
        _prepare(runner, output / "dbt_project", parsed)
        try:
            if exit_code := _run_as_dlt_does(*_call(runner, command, arguments, variables)):
                raise CalledProcessError(exit_code, "dbt")
        finally:  # dbt leaves the warehouse open until its process ends
            connections.close_all_connections()
        return []

    patch.object(BuildRunner, "_run_dbt_command", run).start()


def _prepare(runner: BuildRunner, project: Path, parsed: Path | None) -> None:
    """Set the environment of a dbt command, and let the runner use a project of links."""
    os.environ.setdefault(LOG_LEVEL, "info")
    if runner.config.package_profile_name == "duckdb":
        warehouse_folder = Path(os.environ["DBT_TARGET_PATH"]).parent
        link_project(project, warehouse_folder, Path(runner.package_path))
        runner.package_path = str(project)
    else:
        add_config_to_env(runner.credentials, ("dlt",))
    if parsed:
        os.environ[PARSED] = str(parsed)


def _call(
    runner: BuildRunner, command: str, arguments: Any, variables: Any
) -> tuple[str, str, str, str, Sequence[str], Mapping[str, Any]]:
    config = runner.config
    return (
        config.runtime.log_level,
        runner.package_path,
        command,
        str(config.package_profiles_dir),
        (str(config.package_profile_name), *(arguments or ())),
        variables or {},
    )


def _run_as_dlt_does(
    log_level: str,
    project: str,
    command: str,
    profiles: str,
    profile_and_arguments: Sequence[str],
    variables: Mapping[str, Any],
) -> int:
    from dlt.helpers.dbt.dbt_utils import init_logging_and_run_dbt_command
    from dlt.helpers.dbt.exceptions import DBTProcessingError

    profile, *arguments = profile_and_arguments
    try:
        init_logging_and_run_dbt_command(
            log_level, False, project, command, profiles, profile, arguments, variables
        )
    except DBTProcessingError:
        return 1
    return 0
