"""This project: its marts, and where dlt, whose run context it is, finds settings and writes."""

from pathlib import Path

from dlt.common.configuration.container import Container
from dlt.common.configuration.specs.pluggable_run_context import PluggableRunContext
from dlt.common.runtime.run_context import RunContext

from extract import settings
from extract.errors import SettingsError


class ProjectContext(RunContext):
    """Settings come from the project's `.dlt/`, whatever the working directory is.

    dlt writes to a global folder even when telemetry is off (an anonymous id), by default in the
    home folder. Here that is the folder of the run.
    """

    def __init__(self) -> None:
        super().__init__(str(settings.ROOT))
        self.written_to = settings.ROOT / ".dlt"

    @property
    def run_dir(self) -> str:
        """The project's root."""
        return str(settings.ROOT)

    @property
    def global_dir(self) -> str:
        """Where dlt writes what belongs to no pipeline."""
        return str(self.written_to)


def use_project() -> None:
    """Make this project the context of dlt in this process.

    Raises:
        SettingsError: the package was installed away from its project.
    """
    if not (settings.ROOT / "transform").is_dir():
        raise SettingsError(
            f"{settings.ROOT} is not the project's folder: install with make in a clone of it, or "
            "with pip install --editable."
        )
    container = Container()
    if PluggableRunContext not in container:
        # before dlt makes its own, which would read the settings of the working directory
        container[PluggableRunContext] = PluggableRunContext(ProjectContext())
    elif not isinstance(container[PluggableRunContext].context, ProjectContext):
        container[PluggableRunContext].reload(ProjectContext())


def marts() -> set[str]:
    """Return the names of the marts that the dbt project makes."""
    return {path.stem for path in (settings.ROOT / "transform" / "models" / "marts").rglob("*.sql")}


def write_to(folder: Path) -> None:
    """Make dlt write to `folder` what it would write to the home folder."""
    context = Container()[PluggableRunContext].context
    if isinstance(context, ProjectContext):
        context.written_to = folder
