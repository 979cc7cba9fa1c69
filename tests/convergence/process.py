"""Real runs in processes of their own, quick to start and easy to kill.

A fork server imports dlt and dbt once; each run is a fork of it, with nothing left of the run
before. `kill_at` sends it SIGKILL at a stage, which is real: nothing is flushed, closed or undone.
"""

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["tests.convergence.process", "extract.pipeline", "dbt.cli.main"])
TIMEOUT = 300  # seconds; a run takes about two

# what is counted before a kill, and up to where: pages, calls, or SQL statements of the stage
KILL_POINTS = {
    "page": (1, 2, 3, 5, 8),
    "normalize": (1, 2, 3),  # of more than one where a full read misses something
    "load": (1, 5, 9, 13, 20, 30, 40),
    "removal": (1, 2, 3, 4),
    "note": (1, 3, 5, 7),
    "models": (1,),
    "dbt": (1, 30, 100, 200, 400, 600, 800),
    "publish": (1, 10, 18, 19),  # files that reach the disk, the last the pointer
}


@dataclass(frozen=True)
class Kill:
    """Dies at the n-th event of a kind, or not at all if there are fewer."""

    point: str
    count: int


def run(
    folder: Path, environment: dict[str, str], kill: Kill | None = None, *arguments: str
) -> tuple[int, str]:
    """Run `elt run` in a process of its own.

    Returns:
        The exit code, minus the signal's number if it was killed, and what was printed.
    """
    said = folder / "said.txt"
    process = _CONTEXT.Process(target=_child, args=(said, environment, kill, arguments))
    process.start()
    process.join(TIMEOUT)
    if process.is_alive():
        process.kill()
        raise TimeoutError(f"elt run took more than {TIMEOUT} s")
    assert process.exitcode is not None
    return process.exitcode, said.read_text(errors="replace")


def _child(
    said: Path, environment: dict[str, str], kill: Kill | None, arguments: tuple[str, ...]
) -> None:
    os.environ.update(environment)
    output = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(output, 1)
    os.dup2(output, 2)
    sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w")
    from extract import folder, settings
    from extract.__main__ import main
    from extract.ahead import ReadAhead

    patch.object(ReadAhead, "wait", lambda *_: None).start()  # between retries
    if seconds := environment.get("CONVERGENCE_TIMEOUT"):
        patch.object(settings, "TIMEOUTS", (10, float(seconds))).start()
    patch.object(folder, "LAST_RUN", said.with_name("last_run")).start()
    patch("publish.dashboard.is_installed", lambda: False).start()  # it takes seconds
    _run_dbt_here()
    if kill:
        _arm(kill)
    exit_code = main(["run", *arguments])
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(exit_code)


def _run_dbt_here() -> None:
    """Let dlt's dbt runner do here what it does in a new interpreter, slow to start."""
    from dbt.adapters.duckdb.connections import DuckDBConnectionManager
    from dlt.common.configuration.utils import add_config_to_env
    from dlt.helpers.dbt.dbt_utils import init_logging_and_run_dbt_command

    from extract.dbt_build import BuildRunner

    connections: Any = DuckDBConnectionManager  # its methods have no types

    def command(runner: Any, name: str, arguments: Any, package_vars: Any) -> Any:
        add_config_to_env(runner.credentials, ("dlt",))
        try:
            return init_logging_and_run_dbt_command(
                runner.config.runtime.log_level,
                False,
                runner.package_path,
                name,
                runner.config.package_profiles_dir,
                runner.config.package_profile_name,
                arguments,
                package_vars,
            )
        finally:  # dbt leaves the warehouse open until its process ends
            connections.close_all_connections()

    patch.object(BuildRunner, "_run_dbt_command", command).start()


def _arm(kill: Kill) -> None:
    """Make this process kill itself."""
    import dlt
    from dbt.adapters.sql.connections import SQLConnectionManager
    from dlt.destinations.impl.duckdb.sql_client import DuckDbSqlClient

    from extract import dbt_build, pipeline, warehouse
    from extract.rows import PreparePage
    from publish import schemas, versions

    places: dict[str, tuple[Any, str]] = {
        "page": (PreparePage, "__call__"),
        "normalize": (dlt.Pipeline, "normalize"),
        "models": (dbt_build, "build"),
        "dbt": (SQLConnectionManager, "add_query"),
        "publish": (versions, "to_disk"),
    }
    # these stages are counted in statements from their beginning
    stages: dict[str, tuple[Any, str]] = {
        "load": (pipeline, "_load"),
        "removal": (warehouse, "remove_unlisted"),
        "note": (pipeline, "_note"),
    }
    statement: tuple[Any, str] = (DuckDbSqlClient, "execute_query")
    if os.environ.get("ELT__DESTINATION") == "postgres":
        from dlt.destinations.impl.postgres.sql_client import Psycopg2SqlClient

        statement = (Psycopg2SqlClient, "execute_query")
        places["publish"] = (schemas, "_schemas")  # before the swap, and after it
    if kill.point in places:
        _patch(places[kill.point], lambda function: _dying(function, kill.count))
    else:
        _patch(
            stages[kill.point],
            lambda function: _then(
                lambda: _patch(statement, lambda query: _dying(query, kill.count)), function
            ),
        )


def _patch(place: tuple[Any, str], wrap: Callable[[Callable[..., Any]], Any]) -> None:
    owner, name = place
    patch.object(owner, name, wrap(getattr(owner, name))).start()


def _then(first: Callable[[], None], function: Callable[..., Any]) -> Callable[..., Any]:
    def both(*args: Any, **kwargs: Any) -> Any:
        first()
        return function(*args, **kwargs)

    return both


def _dying(function: Callable[..., Any], count: int) -> Callable[..., Any]:
    left = [count]

    def counted(*args: Any, **kwargs: Any) -> Any:
        left[0] -= 1
        if left[0] <= 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*args, **kwargs)

    return counted
