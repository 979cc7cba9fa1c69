"""The command `elt` as tests call it, and what they ask of its warehouse."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

API_KEY = "recognisable-key-4711"
# all of `.dlt/config.toml`, in which a developer may have changed them
SETTINGS = {
    "SOURCES__ANALYTICS_API__BASE_URL": "sandbox",
    "SOURCES__ANALYTICS_API__PAGE_SIZE": "50",
    "SOURCES__ANALYTICS_API__FIRST_PAGE": "0",
    "SOURCES__ANALYTICS_API__END_OF_LIST": "empty",
    "SOURCES__ANALYTICS_API__MAX_IN_FLIGHT": "4",
    "SOURCES__ANALYTICS_API__LAG_SECONDS": "900",
    "ELT__DESTINATION": "duckdb",
    "ELT__FULL_READ_DAYS": "7",
    "ELT__MAX_SHRINK": "0.5",
    "ELT__KEEP_VERSIONS": "3",
    "ELT__READERS_GROUP": "",
}


@dataclass
class Outcome:
    """How a command ended, and what it printed."""

    exit_code: int
    stdout: str
    stderr: str


Elt = Callable[..., Outcome]
Query = Callable[[str], list[tuple[Any, ...]]]
