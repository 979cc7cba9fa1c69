"""Lets DuckDB have all memory for work that its usual limit is too low for."""

import re
from collections.abc import Callable
from typing import TypeVar

import duckdb

from extract.errors import causes

T = TypeVar("T")
# the error's own name, which a commit that fails does not tell
OUT_OF_MEMORY = re.compile("Out of Memory Error|(could not|failed to) (allocate|pin) ")


def spaciously(connection: duckdb.DuckDBPyConnection, work: Callable[[], T]) -> T:
    """Do some work on a warehouse; what needs more memory than usual is tried with all there is.

    Rows of megabytes do, and hundreds of columns. dlt has tried five times by then.

    Args:
        connection: to the warehouse, within limits.
        work: can be tried again.
    """
    try:
        return work()
    except Exception as error:
        if not any(is_out_of_memory(str(cause)) for cause in causes(error)):
            raise
    # `reset memory_limit` would show the default again, but not let it be used
    usual = _memory_limit(connection)
    connection.execute(f"set memory_limit = '{default_memory_limit()}'")
    try:
        return work()
    finally:
        connection.execute(f"set memory_limit = '{usual}'")


def is_out_of_memory(message: str) -> bool:
    """Tell whether DuckDB says that it needs more memory than its limit."""
    return bool(OUT_OF_MEMORY.search(message))


def default_memory_limit() -> str:
    """Return DuckDB's own limit: most of this machine's memory."""
    with duckdb.connect() as connection:
        return _memory_limit(connection)


def _memory_limit(connection: duckdb.DuckDBPyConnection) -> str:
    (limit,) = connection.execute("select current_setting('memory_limit')").fetchone() or ("",)
    return str(limit)
