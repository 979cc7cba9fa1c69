"""Stands in for dbt's `adapter` while sqlfluff lints: a dispatched macro becomes a plain value."""

from collections.abc import Callable


def dispatch(macro_name: str) -> Callable[..., str]:
    """Return a macro that renders the first of its arguments."""
    return lambda text, *_: str(text)
