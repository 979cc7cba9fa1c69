"""Turns what libraries raise into errors that a person can act on."""

import errno
import re
from http.client import BadStatusLine, RemoteDisconnected, UnknownProtocol

import dlt
import duckdb
import pyarrow as pa
from dlt.common.configuration.exceptions import (
    ConfigFieldMissingException,
    ConfigurationException,
)
from dlt.extract.exceptions import ResourceExtractionError
from dlt.load.exceptions import LoadClientJobException
from requests import ConnectionError, Timeout
from urllib3.exceptions import InvalidChunkLength

from extract import settings
from extract.answers import CutShortError, PassingError
from extract.errors import EltError, SettingsError, causes
from extract.folder import data_dir
from extract.masking import without_passwords
from extract.transport import tls_problem

NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
NO_SPACE_TEXTS = ("No space left on device", "Disk quota exceeded", "File too large")
NOT_WRITABLE_TEXTS = ("Permission denied", "Read-only file system")
DAMAGED_TEXTS = (
    "not a valid DuckDB database file",
    "Could not read enough bytes from file",
    "Corrupt database file",
)

# errors that quote a value that does not fit, and how the text of one begins in an error of dlt
OF_VALUES = (
    duckdb.DataError, duckdb.IntegrityError, duckdb.InvalidInputException, pa.ArrowException,
)  # fmt: skip
TEXTS_OF_VALUES = ("Conversion Error", "Constraint Error", "Invalid Input", "Out of Range")
# errors that quote what came instead of HTTP, such as the rest of a page
OF_NO_HTTP = (BadStatusLine, InvalidChunkLength, UnknownProtocol)


def plain_error(failure: BaseException) -> EltError:
    """Return the error behind a failure, out of the wrappings of dlt and others."""
    chain = list(causes(failure))
    for error in chain:
        if plain := _plain(error, chain):
            return plain
    root = chain[-1]
    message = without_passwords(_first_line(root))
    if any(isinstance(error, OF_VALUES) for error in chain) or any(
        text in message for text in TEXTS_OF_VALUES
    ):
        message = re.sub("(?<![A-Za-z])[\"'].*", "***", message)
    return EltError(f"{type(root).__name__}: {message} (--debug shows more)")


def _plain(error: BaseException, chain: list[BaseException]) -> EltError | None:
    if no_space := _no_space(error):
        return EltError(
            f"No space to write: {no_space}. Free space on the disk of [elt] data_dir "
            f"({data_dir()}), or raise its quota or the limit on the size of files, and run "
            "again: the next run does what this one did not."
        )
    if problem := tls_problem(error):
        return SettingsError(
            f"{problem}. The key was not sent. Mend the API's certificate or [sources."
            f"{settings.SECTION}] base_url; if your organisation signs certificates itself, set "
            "REQUESTS_CA_BUNDLE in the environment to the file with its root certificate."
        )
    is_file = (dlt.config.get("elt.destination", str) or "duckdb") == "duckdb"
    attempts = f"Tried {settings.RETRIES + 1} times. Nothing was loaded; run again later."
    match error:
        case EltError():
            return error
        case PassingError() | CutShortError():
            return EltError(f"{error} {attempts}")
        case ConnectionError() | Timeout():
            lists = [e.pipe_name for e in chain if isinstance(e, ResourceExtractionError)]
            path = settings.ENDPOINTS[lists[0]].path if lists else "the API"
            problem = _first_line(error)
            if any(
                isinstance(e, OF_NO_HTTP) and not isinstance(e, RemoteDisconnected) for e in chain
            ):
                problem = "what it sent is not HTTP"
            return EltError(f"No complete response from {path}: {problem}. {attempts}")
        case RecursionError():
            return EltError(
                "The API sent a row that is nested deeper than can be stored, some 900 levels. "
                "Nothing was loaded."
            )
        case ConfigFieldMissingException():
            return SettingsError(_missing(error))
        case ConfigurationException():
            return SettingsError(" ".join(str(error).split()))
        case duckdb.IOException() if "Could not set lock" in str(error):
            return EltError(f"The warehouse is open in another program: {_first_line(error)}")
        case duckdb.Error() if is_file and any(text in str(error) for text in DAMAGED_TEXTS):
            return EltError(
                f"The warehouse is damaged: {_first_line(error)}. Restore warehouse.duckdb below "
                f"{data_dir()} from a backup, or move it and warehouse.duckdb.wal away and run "
                "again, which reads everything anew but loses the history."
            )
        case duckdb.IOException() if any(text in str(error) for text in NOT_WRITABLE_TEXTS):
            return SettingsError(
                f"Cannot write the warehouse: {_first_line(error)}. Make it and its folder "
                "writable, or set [elt] data_dir (ELT__DATA_DIR) to a folder of yours."
            )
        case duckdb.CatalogException() if is_file:
            return EltError(
                f"The warehouse lacks what runs left in it: {_first_line(error)} Restore "
                f"warehouse.duckdb below {data_dir()} from a backup, or move it away and run "
                "again, which reads everything anew but loses the history."
            )
        case OSError() if "TLS CA certificate bundle" in str(error):
            return SettingsError(f"REQUESTS_CA_BUNDLE: {_first_line(error)}")
    return None


def _no_space(error: BaseException) -> str | None:
    """Return what could not be written for want of space, None where that is not the problem."""
    if isinstance(error, OSError) and error.errno in NO_SPACE:
        return str(error)
    # only where the text is a library's: an API may say so of itself
    if isinstance(error, duckdb.Error | LoadClientJobException) or type(error) is EltError:
        for line in str(error).splitlines():
            if any(text in line for text in NO_SPACE_TEXTS):
                return line.rpartition("Error: ")[2].strip()
    return None


def _missing(error: ConfigFieldMissingException) -> str:
    field = error.fields[0].rpartition(".")[2]
    place = ".dlt/secrets.toml" if field == "api_key" else ".dlt/config.toml"
    return (
        f"{field} is not set. Set [sources.{settings.SECTION}] {field} in {place}, or "
        f"SOURCES__{settings.SECTION.upper()}__{field.upper()} in the environment."
    )


def _first_line(error: BaseException) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
