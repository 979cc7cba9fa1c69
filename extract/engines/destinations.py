"""dlt's destinations with cached capabilities.

dlt asks for them some twenty times in a run, and each time resolves all settings of the destination
again: a quarter of the CPU time of a small load.
"""

from functools import cached_property
from typing import Any

import dlt
from dlt.common.destination import Destination, DestinationCapabilitiesContext
from dlt.common.destination.client import DestinationClientConfiguration
from dlt.common.normalizers.naming import NamingConvention


class _CachedCapabilities(Destination[Any, Any]):
    """Mixin of a destination whose settings stay the same. Its subclasses have dlt's names."""

    @cached_property
    def _cached(self) -> dict[Any, DestinationCapabilitiesContext]:
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
        """Return a shallow copy of the destination's capabilities."""
        if config is not None:
            return super().capabilities(config, naming)
        key = naming and (type(naming), naming.max_length)
        if key not in self._cached:
            self._cached[key] = super().capabilities(naming=naming)
        return self._cached[key].copy()


class duckdb(_CachedCapabilities, dlt.destinations.duckdb):
    """DuckDB."""


class postgres(_CachedCapabilities, dlt.destinations.postgres):
    """PostgreSQL."""
