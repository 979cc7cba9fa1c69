"""Where a warehouse is: what `[elt] destination` chooses, and what is special about each.

    duckdb    a file in the data folder; published as files
    postgres  a database on a server; marts are swapped by schema
    ducklake  Parquet files with a catalog in PostgreSQL; marts are replaced in one transaction
    spark     Parquet files that are only ever added to, modelled by a Spark cluster

What is the same on all of them is asked through dlt's own clients, and modelled by one dbt project,
whose macros know the dialects.
"""

import importlib.util

import dlt

from extract.engines.ducklake import DuckLake
from extract.engines.engine import Engine
from extract.engines.file import File
from extract.engines.postgres import Postgres
from extract.engines.spark import Spark
from extract.errors import SettingsError
from extract.folder import Folder

__all__ = ["Engine", "File", "engine_of", "engine_type"]
ENGINES: dict[str, type[Engine]] = {
    engine.name: engine for engine in (File, Postgres, DuckLake, Spark)
}


def engine_type() -> type[Engine]:
    """Return the engine that `[elt] destination` names.

    Raises:
        SettingsError: there is no such engine, or what it needs is not installed.
    """
    name = dlt.config.get("elt.destination", str) or File.name
    engine = ENGINES.get(name)
    if not engine:
        raise SettingsError(f"[elt] destination {name!r} is none of {', '.join(ENGINES)}.")
    absent = [package for package in engine.packages if not is_installed(package)]
    if absent:
        raise SettingsError(
            f"[elt] destination = {name!r} needs packages that are not installed "
            f"({', '.join(absent)}). Install them with: make {name}"
        )
    return engine


def engine_of(folder: Folder) -> Engine:
    """Return the engine of a data folder's warehouse.

    Raises:
        SettingsError: there is no such engine, or what it needs is not installed or not set.
    """
    return engine_type()(folder)


def is_installed(package: str) -> bool:
    """Tell whether a package can be imported."""
    try:
        return importlib.util.find_spec(package) is not None
    except ModuleNotFoundError:  # the package that it is part of is not there
        return False
