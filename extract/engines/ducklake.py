"""DuckLake: tables are Parquet files, and a PostgreSQL database, the catalog, knows which.

Any number of processes and machines read and write them at once. DuckDB computes where it is asked.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import Any

import dlt
import duckdb
from dlt.destinations.impl.ducklake.configuration import DuckLakeCredentials

from extract.engines.engine import Engine, credentials_of
from extract.engines.session import locked_session
from extract.errors import SettingsError
from extract.folder import Folder
from extract.warehouse import Warehouse
from publish import tables
from publish.publication import Published

LAKE = "contacts"  # the name of the attached lake, in the profile, too
EXTENSIONS = ("ducklake", "postgres_scanner")


class DuckLake(Engine):
    """A lake. Its place and its catalog are dlt's: `[destination.ducklake.credentials]`."""

    name = "ducklake"
    adapter = "duckdb"
    packages = ("psycopg2", *(f"duckdb_extension_{name}" for name in EXTENSIONS))
    elsewhere = "another catalog and storage"
    marts = tables.NEXT

    def __init__(self, folder: Folder) -> None:
        super().__init__(folder)
        self._credentials = _credentials()
        self._url = self._credentials.catalog.to_url().render_as_string(hide_password=False)

    @property
    def where(self) -> str:
        """The place of the files and the catalog's database."""
        catalog = self._credentials.catalog
        return (
            f"{self._credentials.storage_url}, in the catalog "
            f"postgres://{catalog.host}:{catalog.port}/{catalog.database}"
        )

    def destination(self) -> Any:
        """Return dlt's destination for the lake."""
        self._credentials.global_config = {
            "threads": "1",  # each of dlt's connections is a DuckDB of its own
            "extension_directory": self._extensions(),
            "temp_directory": str(self.folder.dlt / "spilled"),
        }
        # writers at once can lose the statistics of columns, by which readers skip files
        # (https://github.com/duckdb/ducklake/issues/1094)
        return dlt.destinations.ducklake(
            self._credentials, loader_parallelism_strategy="sequential"
        )

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the working folder, against runs here, and the catalog, against those elsewhere."""
        with super().locked(), locked_session(self._url, self.where) as self._session:
            yield

    @contextmanager
    def opened(
        self, pipeline: dlt.Pipeline, limits: Mapping[str, str] | None = None
    ) -> Iterator[Warehouse]:
        """Open a DuckDB with the lake."""
        with self._attached(pipeline) as connection:
            for name, value in (limits or {}).items():
                connection.execute(f"set {name} = '{value}'")
            # small changes would become tables of the catalog's database
            connection.execute(f"call {LAKE}.set_option('data_inlining_row_limit', 0)")
            yield Warehouse(connection)

    def environment(self) -> dict[str, str]:
        """Return what the profile attaches; under its name, dbt masks the catalog's URL."""
        return {
            "DBT_ENV_SECRET_CONTACTS_LAKE": self._url,
            "CONTACTS_LAKE_SCHEMA": self._credentials.metadata_schema or LAKE,
            "CONTACTS_EXTENSIONS": self._extensions(),
            "CONTACTS_MARTS": self.marts,
        }

    def publish(self, pipeline: dlt.Pipeline) -> Published:
        """Replace all marts in one transaction."""
        with self._attached(pipeline) as connection:
            return tables.publish(connection, self.where)

    def published(self, pipeline: dlt.Pipeline) -> Published | None:
        """Return the version that readers see."""
        with self._attached(pipeline) as connection:
            return tables.published(connection, self.where)

    @contextmanager
    def _attached(self, pipeline: dlt.Pipeline) -> Iterator[duckdb.DuckDBPyConnection]:
        with pipeline.sql_client() as client:
            yield client.native_connection

    def _extensions(self) -> str:
        """Return a folder of DuckDB's extensions, with those that are installed as packages.

        Raises:
            SettingsError: they are for another version of DuckDB.
        """
        folder = self.folder.path / "extensions"
        with duckdb.connect() as connection:
            (platform,) = connection.execute("pragma platform").fetchone() or ("",)
        place = folder / f"v{duckdb.__version__}" / platform
        place.mkdir(parents=True, exist_ok=True)
        for name in EXTENSIONS:
            package = resources.files(f"duckdb_extension_{name}")
            file = Path(str(package)) / f"extensions/v{duckdb.__version__}/{name}.duckdb_extension"
            if not file.exists():
                raise SettingsError(
                    f"The extension {name} is not installed for DuckDB {duckdb.__version__}. "
                    "Install both anew with: make ducklake"
                )
            link = place / file.name
            if not link.exists():
                link.unlink(missing_ok=True)  # of an environment that is no more
                link.symlink_to(file)
        return str(folder)


def _credentials() -> DuckLakeCredentials:
    dlt.secrets["destination.ducklake.credentials.ducklake_name"] = LAKE
    found = credentials_of(dlt.destinations.ducklake())
    # what is not set, dlt makes up: a catalog that one process at a time can have open
    if not found or not str(found.catalog.drivername).startswith("postgres"):
        raise SettingsError(
            "[elt] destination is 'ducklake', and its place or its catalog is not named. Set "
            '[destination.ducklake.credentials] storage.bucket_url = "/srv/lake", a folder or '
            'bucket, and catalog = "postgresql://user:password@host:5432/database" in '
            ".dlt/secrets.toml, or DESTINATION__DUCKLAKE__CREDENTIALS__STORAGE__BUCKET_URL and "
            "…__CATALOG in the environment."
        )
    credentials: DuckLakeCredentials = found
    return credentials
