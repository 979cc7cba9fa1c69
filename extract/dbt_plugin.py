"""A dbt-duckdb plugin: opens the warehouse for dbt.

It ends dbt at once where there is no warehouse. Without it, dbt tries for minutes to open the
missing file and ends with a traceback. `elt run` starts dbt only on a warehouse that exists, so
this is for dbt that is run manually: in a fresh clone, or after the data folder was removed.

It also limits the memory. If the profile read the limit from the environment, dbt would parse the
whole project again whenever the limit changes.
"""

import os
from pathlib import Path
from typing import Any

from dbt.adapters.duckdb.credentials import DuckDBCredentials
from dbt.adapters.duckdb.plugins import BasePlugin


class Plugin(BasePlugin):
    """Named in `transform/profiles.yml`; dbt creates it before it connects."""

    def initialize(self, plugin_config: dict[str, Any]) -> None:
        """Check that the file of the profile's `path` exists.

        Args:
            plugin_config: `memory_limit` is DuckDB's, unless the variable CONTACTS_MEMORY_LIMIT is
                set.

        Raises:
            RuntimeError: there is no such file. dbt prints it as a database error.
        """
        default = plugin_config.get("memory_limit")
        self._memory_limit = os.environ.get("CONTACTS_MEMORY_LIMIT", default)
        path = Path(self.creds.path if self.creds else ":memory:")
        if not path.exists():
            raise RuntimeError(
                f"There is no warehouse at {path.resolve()}. `make elt`, in the project's folder, "
                "loads one, and dbt then finds it."
            )

    def update_connection_config(self, creds: DuckDBCredentials, config: dict[str, Any]) -> None:
        """Limit the memory of the connection."""
        if self._memory_limit:
            config["memory_limit"] = self._memory_limit
