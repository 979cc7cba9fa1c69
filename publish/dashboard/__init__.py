"""The dashboard: one HTML file that shows the published marts, without network or server.

published file -> `figures` (SQL: counts by channel and period) -> `charts` (Altair: how they are
drawn) -> `page` (HTML with everything inline). The page holds counts alone, no row of a person.
What a figure means is decided in the SQL; the page's script filters, adds up and divides.
"""

from importlib.util import find_spec

import duckdb

EXTRA = ("altair", "vl_convert")  # what contacts-elt[dashboard] installs


def is_installed() -> bool:
    """Return whether the packages that draw the dashboard are installed."""
    return all(find_spec(name) for name in EXTRA)


def render(connection: duckdb.DuckDBPyConnection) -> str:
    """Return the dashboard of a published file as one HTML page.

    Args:
        connection: of the published file, with the marts in its main schema; may be read-only.
    """
    from publish.dashboard import figures, page  # Altair takes seconds to import

    return page.render(figures.read(connection))


__all__ = ["is_installed", "render"]
