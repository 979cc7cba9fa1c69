"""Where a warehouse is: what `[elt] destination` chooses, and the only place where engines differ.

    duckdb    a file in the data folder; published as files
    postgres  a database on a server; marts are swapped by schema
    ducklake  Parquet files with a catalog in PostgreSQL; marts are replaced in one transaction
    spark     Parquet files that are only ever added to, modelled by a Spark cluster

What is the same on all of them is asked through dlt's own clients, and modelled by one dbt project,
whose macros know the dialects.
"""

import importlib.util

import dlt

from extract.engines.engine import Engine
from extract.engines.file import File
from extract.engines.postgres import Postgres
from extract.engines.spark import Spark
from extract.errors import SettingsError
from extract.folder import Folder

__all__ = ["Engine", "File", "engine_of"]
ENGINES: dict[str, type[Engine]] = {engine.name: engine for engine in (File, Postgres, Spark)}


def engine_of(folder: Folder) -> Engine:
    """Return the engine that `[elt] destination` names, for the warehouse of a data folder.

    Raises:
        SettingsError: there is no such engine, what it needs is not installed or not set.
    """
    name = dlt.config.get("elt.destination", str) or File.name
    engine = ENGINES.get(name)
    if not engine:
        raise SettingsError(f"[elt] destination {name!r} is none of {', '.join(ENGINES)}.")
    absent = [package for package in engine.packages if not importlib.util.find_spec(package)]
    if absent:
        raise SettingsError(
            f"[elt] destination {name!r} needs packages that are not installed "
            f"({', '.join(absent)}): make {name} installs them."
        )
    return engine(folder)
