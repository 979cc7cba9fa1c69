"""The dbt project's macros as SQL of each database, without dbt, to try them on single values."""

from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Any

from dbt_common.clients.jinja import get_environment
from dbt_common.exceptions.macros import MacroReturn

from extract import settings

_FILES = (
    *("account_id", "blank_to_null", "is_reachable", "to_boolean", "to_number_between"),
    "to_utc_timestamp",
)
_PREFIX = "dbt_macro__"  # by which dbt keeps macros apart from other names


def macros(dialect: str) -> SimpleNamespace:
    """Return the macros that read values, as functions from SQL to SQL.

    Args:
        dialect: `duckdb`, `postgres` or `spark`.
    """
    found: dict[str, Callable[..., Any]] = {}
    folder = settings.ROOT / "transform" / "macros"
    source = "\n".join((folder / f"{name}.sql").read_text() for name in _FILES)
    context = {
        "return": _return,
        "dbt": SimpleNamespace(concat=" || ".join),
        "adapter": SimpleNamespace(dispatch=lambda name: found[f"{dialect}__{name}"]),
    }
    module = get_environment().from_string(source, globals=context).module
    for name, macro in vars(module).items():
        if name.startswith(_PREFIX):
            found[name.removeprefix(_PREFIX)] = partial(_call, macro)
    context |= found
    module = get_environment().from_string(source, globals=context).module
    for name in found:
        found[name] = partial(_call, getattr(module, f"{_PREFIX}{name}"))
    return SimpleNamespace(**found)


def _return(value: Any) -> None:
    raise MacroReturn(value)


def _call(macro: Callable[..., Any], *arguments: Any) -> Any:
    try:
        return str(macro(*arguments)).strip()
    except MacroReturn as returned:
        return returned.value
