"""Runs in which no file can grow beyond a size, as on a disk that is full."""

import resource
from pathlib import Path
from unittest.mock import patch

from tests.support.forked import Ended, run_in_child


def run_on_full_disk(size: int, output: Path, parsed: Path | None = None) -> Ended:
    """Run `elt run` in a forked child, with the settings of this process.

    Args:
        size: bytes that a file can have.
        output: a folder for what the child prints and for the link to its warehouse.
        parsed: the file of the parsed dbt project; without one, the run has no models.
    """
    return run_in_child(_run, size, output, parsed, output=output / "printed")


def _run(size: int, output: Path, parsed: Path | None) -> int:
    from extract import dbt_build, folder
    from extract.__main__ import main
    from publish import dashboard, publication
    from tests.support.dbt import dbt_in_this_process

    patch.object(folder, "LAST_RUN", output / "last_run").start()
    patch.object(dashboard, "is_installed", lambda: False).start()
    if parsed:
        dbt_in_this_process(output, parsed)
    else:
        patch.object(dbt_build, "build", lambda *_: dbt_build.BuildResult()).start()
        patch.object(publication, "publish", lambda *_: None).start()
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
    return main(["run"])
