"""Turns what libraries raise into errors that a person can act on."""

from collections.abc import Iterator

import duckdb
from dlt.common.configuration.exceptions import (
    ConfigFieldMissingException,
    ConfigurationException,
)
from dlt.extract.exceptions import ResourceExtractionError
from requests import ConnectionError, Timeout
from requests.exceptions import ChunkedEncodingError, ContentDecodingError

from extract import settings
from extract.answers import CutShortError, PassingError
from extract.errors import EltError, SettingsError


def plain_error(failure: BaseException) -> EltError:
    """Return the error behind a failure, out of the wrappings of dlt and others."""
    causes = list(_causes(failure))
    for error in causes:
        if plain := _plain(error, causes):
            return plain
    root = causes[-1]
    return EltError(f"{type(root).__name__}: {_first_line(root)} (--debug shows more)")


def _causes(failure: BaseException | None) -> Iterator[BaseException]:
    while failure:
        yield failure
        failure = failure.__cause__ or failure.__context__


def _plain(error: BaseException, causes: list[BaseException]) -> EltError | None:
    attempts = f"Tried {settings.RETRIES + 1} times. Nothing was loaded; run again later."
    match error:
        case EltError():
            return error
        case PassingError() | CutShortError():
            return EltError(f"{error} {attempts}")
        case ConnectionError() | Timeout() | ChunkedEncodingError() | ContentDecodingError():
            lists = [e.pipe_name for e in causes if isinstance(e, ResourceExtractionError)]
            path = settings.ENDPOINTS[lists[0]].path if lists else "the API"
            return EltError(f"No whole answer from {path}: {_first_line(error)}. {attempts}")
        case ConfigFieldMissingException():
            return SettingsError(_missing(error))
        case ConfigurationException():
            return SettingsError(" ".join(str(error).split()))
        case duckdb.IOException() if "Could not set lock" in str(error):
            return EltError(f"The warehouse is open in another program: {_first_line(error)}")
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
