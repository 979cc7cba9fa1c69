"""A dbt-duckdb plugin: ends dbt at once where there is no warehouse.

Without it, dbt tries for minutes to open the missing file and ends with a traceback. `elt run`
starts dbt only on a warehouse that exists, so this is for dbt that is run manually: in a fresh
clone, or after the data folder was removed.
"""

from pathlib import Path
from typing import Any

from dbt.adapters.duckdb.plugins import BasePlugin


class Plugin(BasePlugin):
    """Named in `transform/profiles.yml`; dbt creates it before it connects."""

    def initialize(self, plugin_config: dict[str, Any]) -> None:
        """Check that the file of the profile's `path` exists.

        Args:
            plugin_config: not used.

        Raises:
            RuntimeError: there is no such file. dbt prints it as a database error.
        """
        path = Path(self.creds.path if self.creds else ":memory:")
        if not path.exists():
            raise RuntimeError(
                f"There is no warehouse at {path.resolve()}. `make elt`, in the project's folder, "
                "loads one, and dbt then finds it."
            )
