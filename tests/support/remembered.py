"""The state of the source alone, where a test needs no pipeline."""

from contextlib import AbstractContextManager, nullcontext
from typing import Any

from extract import settings


class Remembered:
    """The part of a pipeline that keeps its state.

    Args:
        of_source: what it remembers of the source.
    """

    def __init__(self, **of_source: Any) -> None:
        self.source = of_source

    def managed_state(self) -> AbstractContextManager[dict[str, Any]]:
        """Give the state, as dlt's pipelines do; what is changed in it stays."""
        return nullcontext({"sources": {settings.SECTION: self.source}})


def remembered(**of_source: Any) -> Any:
    """Return a pipeline with a state of the source."""
    return Remembered(**of_source)
