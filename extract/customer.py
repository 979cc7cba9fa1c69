"""The customer project that a warehouse belongs to."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from extract.errors import SettingsError
from extract.values import as_whole_number

NO_PROJECT = ("", "0", "null", "none", "undefined")  # what trackers and exports send instead


def project_id(value: Any) -> str | None:
    """Return an `app_id` as text, None where it names no project: 4711.0 is 4711."""
    is_id = isinstance(value, str | int | float) and not isinstance(value, bool)
    return _as_id(value) if is_id else None


@lru_cache(maxsize=10)  # all rows have the same one
def _as_id(value: str | float) -> str | None:
    number = as_whole_number(value)
    text = str(value).strip() if number is None else str(number)
    return None if text.lower() in NO_PROJECT else text


class CustomerProject:
    """The project that all rows must belong to. Rows name it in `app_id`, where the API sends it.

    Args:
        app_id: of the rows that were loaded before; None accepts that of the first row.
    """

    def __init__(self, app_id: str | None = None) -> None:
        self.app_id = app_id

    def check(self, rows: Sequence[Any]) -> None:
        """Make sure that rows are of this project.

        Raises:
            SettingsError: one is not; names both projects.
        """
        for row in rows:
            app_id = project_id(row.get("app_id")) if isinstance(row, dict) else None
            if not app_id:
                continue
            self.app_id = self.app_id or app_id
            if app_id != self.app_id:
                raise SettingsError(
                    f"The API sends contacts of the project {app_id!r} (app_id), but "
                    f"this warehouse contains those of {self.app_id!r}. Nothing was loaded. "
                    f"Set the API key of {self.app_id!r}, or another place for the warehouse. If "
                    "it is the same project under a new id, run once with --rebind."
                )
