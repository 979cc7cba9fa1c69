"""Work that needs more memory than DuckDB's usual limit is repeated without a memory limit."""

from collections.abc import Iterator

import duckdb
import pytest

from extract import memory
from extract.memory import default_memory_limit, is_out_of_memory, spaciously

LARGE = "select len(string_agg(repeat('x', 1000000), '')) from range(40)"


@pytest.fixture
def limited() -> Iterator[duckdb.DuckDBPyConnection]:
    """A DuckDB with little memory."""
    with duckdb.connect() as connection:
        connection.execute("set memory_limit = '16MiB'")
        yield connection


def limit(connection: duckdb.DuckDBPyConnection) -> str:
    (shown,) = connection.execute("select current_setting('memory_limit')").fetchone() or ("",)
    return str(shown)


def test_work_within_the_limit_is_done_once(limited: duckdb.DuckDBPyConnection) -> None:
    limits: list[str] = []

    def work() -> int:
        limits.append(limit(limited))
        return 7

    assert spaciously(limited, work) == 7
    assert limits == ["16.0 MiB"]


def test_work_that_needs_more_memory_is_repeated_with_all_there_is(
    limited: duckdb.DuckDBPyConnection,
) -> None:
    with pytest.raises(duckdb.OutOfMemoryException):
        limited.execute(LARGE)
    assert spaciously(limited, lambda: limited.execute(LARGE).fetchall()) == [(40_000_000,)]
    assert limit(limited) == "16.0 MiB"


def test_the_usual_limit_returns_after_a_second_failure(
    limited: duckdb.DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "default_memory_limit", lambda: "64MiB")
    limits: list[str] = []

    def work() -> None:
        limits.append(limit(limited))
        raise ValueError("a library failed") from duckdb.OutOfMemoryException(
            "Out of Memory Error: failed to allocate data"
        )

    with pytest.raises(ValueError, match="a library failed"):
        spaciously(limited, work)
    assert limits == ["16.0 MiB", "64.0 MiB"]
    assert limit(limited) == "16.0 MiB"


def test_another_failure_is_not_repeated(limited: duckdb.DuckDBPyConnection) -> None:
    attempts: list[int] = []

    def work() -> None:
        attempts.append(1)
        raise ValueError("no memory of it")

    with pytest.raises(ValueError, match="no memory of it"):
        spaciously(limited, work)
    assert attempts == [1]


@pytest.mark.parametrize(
    ("message", "is_one"),
    [
        ("Out of Memory Error: could not allocate block of size 256.0 KiB", True),
        ("TransactionContext Error: Failed to commit: failed to pin block", True),
        ("Failed to commit: could not allocate block of size 256.0 KiB", True),
        ("failed to allocate data of size 16.0 MiB", True),
        ("Binder Error: column memory not found", False),
        ("IO Error: Could not set lock on file", False),
    ],
)
def test_a_lack_of_memory_is_known_by_its_message(message: str, is_one: bool) -> None:
    assert is_out_of_memory(message) is is_one


def test_the_default_limit_is_that_of_this_machine() -> None:
    assert default_memory_limit().endswith("GiB")
