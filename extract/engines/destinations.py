"""dlt's destinations, which find out once what they are capable of.

dlt asks for it some twenty times in a run, and each time reads all settings of the destination
again: a quarter of the CPU time of a small load.
"""

from functools import cached_property
from typing import Any

import dlt
from dlt.common.destination import Destination, DestinationCapabilitiesContext
from dlt.common.destination.client import DestinationClientConfiguration
from dlt.common.normalizers.naming import NamingConvention


class _FindsOutOnce(Destination[Any, Any]):
    """Mixin of a destination whose settings stay the same. Its subclasses have dlt's names."""

    @cached_property
    def _known(self) -> dict[Any, DestinationCapabilitiesContext]:
        return {}

    @property
    def destination_type(self) -> str:
        """The name of dlt's class: it names the settings and is stored in the warehouse."""
        return f"dlt.destinations.{type(self).__name__}"

    def capabilities(
        self,
        config: DestinationClientConfiguration | None = None,
        naming: NamingConvention | None = None,
    ) -> DestinationCapabilitiesContext:
        """Return what the destination is capable of, in a copy that the caller may change."""
        if config is not None:
            return super().capabilities(config, naming)
        key = naming and (type(naming), naming.max_length)
        if key not in self._known:
            self._known[key] = super().capabilities(naming=naming)
        return self._known[key].copy()


class duckdb(_FindsOutOnce, dlt.destinations.duckdb):
    """DuckDB."""


class postgres(_FindsOutOnce, dlt.destinations.postgres):
    """PostgreSQL."""
