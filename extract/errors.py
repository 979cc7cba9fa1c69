"""The errors that a user meets, each with the exit code that a scheduler sees."""

from collections.abc import Iterator

EXIT_FAILED = 1  # the pipeline or its tests failed
EXIT_MISCONFIGURED = 2  # wrong settings, or the key was refused
EXIT_BUSY = 3  # another run is active


class EltError(Exception):
    """A failure that is told in plain lines: what happened, and what to do."""

    exit_code = EXIT_FAILED


class ApiError(EltError):
    """The API's answer is not a page of the list; nothing of this run is loaded."""


class ShrinkError(EltError):
    """A list lacks so many rows that none was removed; what it does list was merged."""


class IncompleteError(EltError):
    """Rows may be missing; what was listed was merged, nothing was deleted or published."""


class SettingsError(EltError):
    """A setting is missing, malformed or does not fit the warehouse."""

    exit_code = EXIT_MISCONFIGURED


class KeyRefusedError(EltError):
    """The API refused the key."""

    exit_code = EXIT_MISCONFIGURED


class BusyError(EltError):
    """Another run holds the warehouse."""

    exit_code = EXIT_BUSY


def causes(failure: BaseException | None) -> Iterator[BaseException]:
    """Yield an error, the one behind it, and so on."""
    while failure:
        yield failure
        failure = failure.__cause__ or failure.__context__
