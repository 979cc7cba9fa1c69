"""The message and the exit code that a failure of a library gets."""

import errno

import dlt
import duckdb
import pyarrow as pa
import pytest
from dlt.common.configuration.exceptions import ConfigurationException
from dlt.load.exceptions import LoadClientJobFailed

from extract.errors import ApiError, BusyError, EltError
from extract.failures import plain_error


def behind(cause: BaseException) -> Exception:
    """Return a library's error that another one caused."""
    wrapped = ValueError("a library failed")
    wrapped.__cause__ = cause
    return wrapped


def load_failed(message: str) -> Exception:
    """Return dlt's error of a load job that failed."""
    return LoadClientJobFailed("1700000000.0", "leads.1.parquet", message, duckdb.Error(message))


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_no_space_no_quota_and_a_file_too_large_are_one_failure(code: int) -> None:
    error = plain_error(behind(OSError(code, "reports the system", "some/file")))
    assert str(error).startswith(f"No space to write: [Errno {code}] reports the system")
    assert "run again" in str(error)
    assert error.exit_code == 1


@pytest.mark.parametrize(
    "text", ["No space left on device", "Disk quota exceeded", "File too large"]
)
def test_no_space_is_recognised_in_the_texts_of_duckdb_and_dlt(text: str) -> None:
    reported = f'IO Error: Could not write file "warehouse.duckdb.wal": {text}'
    for failure in (duckdb.IOException(reported), load_failed(f"first line\n{reported}\nlast")):
        error = str(plain_error(behind(failure)))
        assert error.startswith(
            f'No space to write: Could not write file "warehouse.duckdb.wal": {text}. Free'
        )


def test_dbt_that_finds_no_space_to_begin_is_reported_in_one_line() -> None:
    printed = (
        'dbt could not build: Running\n  File "x.py", line 1\nOSError: [Errno 28] No space left'
    )
    error = plain_error(EltError(f"{printed} on device See dbt.log."))
    assert str(error).startswith("No space to write: [Errno 28] No space left on device")
    assert len(str(error).splitlines()) == 1


def test_an_api_that_reports_a_large_file_itself_is_no_full_disk() -> None:
    error = ApiError("The response of http://localhost/ is HTTP 413: File too large")
    assert plain_error(error) is error


@pytest.mark.parametrize("reason", [13, 30])
def test_another_failure_of_the_system_is_no_full_disk(reason: int) -> None:
    error = plain_error(OSError(reason, "Permission denied", "some/file"))
    assert str(error).startswith("PermissionError" if reason == 13 else "OSError")


@pytest.mark.parametrize(
    "failure",
    [
        duckdb.IOException('The file "w" exists, but it is not a valid DuckDB database file!'),
        duckdb.IOException("Could not read enough bytes from file"),
        duckdb.SerializationException("Corrupt database file: checksum"),
    ],
)
def test_a_damaged_warehouse_is_reported_with_both_remedies(failure: duckdb.Error) -> None:
    error = plain_error(behind(failure))
    assert str(error).startswith("The warehouse is damaged: ")
    assert "from a backup" in str(error)
    assert "move it" in str(error)
    assert error.exit_code == 1


def test_another_failure_of_the_warehouse_is_no_damage() -> None:
    failure = duckdb.IOException("IO Error: Cannot open file: Permission denied")
    assert "damaged" not in str(plain_error(failure))


def test_a_database_on_a_server_is_no_damaged_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ELT__DESTINATION", "ducklake")
    for failure in (
        duckdb.IOException("Could not read enough bytes from file"),
        duckdb.CatalogException("Table with name elt_runs does not exist!"),
    ):
        error = str(plain_error(failure))
        assert error.startswith(type(failure).__name__)
        assert "backup" not in error


@pytest.mark.parametrize("reason", ["Permission denied", "Read-only file system"])
def test_a_warehouse_that_cannot_be_written_is_reported_with_its_setting(reason: str) -> None:
    failure = plain_error(duckdb.IOException(f'IO Error: Cannot open file "warehouse": {reason}'))
    assert failure.exit_code == 2
    assert "ELT__DATA_DIR" in str(failure)


def test_a_table_that_somebody_dropped_is_reported_with_a_remedy() -> None:
    failure = duckdb.CatalogException("Table with name elt_runs does not exist!\nDid you mean x?")
    error = plain_error(behind(failure))
    assert "elt_runs" in str(error)
    assert "Did you mean" not in str(error)
    assert "from a backup" in str(error)
    assert error.exit_code == 1


def test_a_warehouse_that_another_program_has_open_is_reported_with_it() -> None:
    text = 'IO Error: Could not set lock on file "w": held in python (PID 4711)\nSee also'
    error = plain_error(behind(duckdb.IOException(text)))
    assert str(error).startswith("The warehouse is open in another program: ")
    assert "4711" in str(error)
    assert "See also" not in str(error)
    assert error.exit_code == 1


def test_an_error_of_ours_is_found_behind_those_of_libraries() -> None:
    busy = BusyError("Another run is working.")
    assert plain_error(behind(behind(busy))) is busy


def test_rows_nested_too_deeply_are_reported() -> None:
    error = plain_error(behind(RecursionError("maximum recursion depth exceeded")))
    assert "nested deeper than can be stored" in str(error)
    assert error.exit_code == 1


def test_a_missing_setting_is_reported_with_both_places() -> None:
    with pytest.raises(KeyError) as missing:
        dlt.config["sources.analytics_api.no_such_setting"]
    error = plain_error(behind(missing.value))
    assert str(error) == (
        "no_such_setting is not set. Set [sources.analytics_api] no_such_setting in "
        ".dlt/config.toml, or SOURCES__ANALYTICS_API__NO_SUCH_SETTING in the environment."
    )
    assert error.exit_code == 2


def test_an_invalid_setting_is_reported_on_one_line() -> None:
    error = plain_error(ConfigurationException("page_size\n  is not\n a number"))
    assert (str(error), error.exit_code) == ("page_size is not a number", 2)


def test_an_unknown_failure_is_reported_by_its_first_line() -> None:
    error = plain_error(behind(ZeroDivisionError("division by zero\nand more")))
    assert str(error) == "ZeroDivisionError: division by zero (--debug shows more)"
    assert error.exit_code == 1
    assert str(plain_error(ValueError())) == "ValueError: ValueError (--debug shows more)"


QUOTES_A_VALUE = {
    "a value": duckdb.ConversionException("Could not convert string 'Zoe O'Brien' to INT32"),
    "a value of two lines": duckdb.ConversionException(
        "Could not convert string 'Zoe\nB' to INT32"
    ),
    "a key": duckdb.ConstraintException('Constraint Error: duplicate key "id: Zoe"'),
    "JSON": duckdb.InvalidInputException('Malformed JSON at byte 1.  Input: "Zoe"'),
    "Arrow": pa.ArrowInvalid("Could not convert 'Zoe' with type str: tried to convert to int64"),
    "a job": load_failed("Conversion Error: Could not convert string 'Zoe' to INT32"),
}


@pytest.mark.parametrize("failure", QUOTES_A_VALUE.values(), ids=QUOTES_A_VALUE)
def test_no_message_quotes_a_value_of_a_row(failure: Exception) -> None:
    for error in (plain_error(failure), plain_error(behind(failure))):
        assert "Zoe" not in str(error)
        assert "Brien" not in str(error)
        assert "***" in str(error)
        assert str(error).endswith("(--debug shows more)")


def test_another_message_keeps_what_it_quotes() -> None:
    assert str(plain_error(KeyError("x"))) == "KeyError: 'x' (--debug shows more)"
    failure = load_failed('Binder Error: Table "leads" does not have a column named "x"')
    assert 'Table "leads" does not have a column named "x"' in str(plain_error(failure))
