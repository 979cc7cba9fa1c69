"""The customer project that a warehouse belongs to."""

from collections.abc import Sequence
from typing import Any

from extract.errors import SettingsError


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
            app_id = row.get("app_id") if isinstance(row, dict) else None
            is_id = isinstance(app_id, str | int) and not isinstance(app_id, bool)
            if not is_id or not str(app_id).strip():
                continue
            self.app_id = self.app_id or str(app_id).strip()
            if str(app_id).strip() != self.app_id:
                raise SettingsError(
                    f"The API sends contacts of the project {str(app_id).strip()!r} (app_id), but "
                    f"this warehouse contains those of {self.app_id!r}. Nothing was loaded. "
                    f"Set the API key of {self.app_id!r}, or another place for the warehouse. If "
                    "it is the same project under a new id, run once with --rebind."
                )
