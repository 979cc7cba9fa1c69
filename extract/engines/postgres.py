"""A database on a PostgreSQL server. Readers have the schema `marts`, which is swapped whole."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import count
from typing import Any

import dlt
import duckdb
from dlt.common.destination.typing import PreparedTableSchema
from dlt.common.schema.typing import TColumnSchema
from dlt.destinations.impl.postgres.configuration import PostgresCredentials
from dlt.destinations.impl.postgres.factory import PostgresTypeMapper

from extract import settings
from extract.engines import destinations
from extract.engines.engine import Engine, credentials_of
from extract.engines.session import locked_session
from extract.errors import SettingsError
from extract.folder import Folder
from extract.warehouse import Warehouse
from publish import schemas
from publish.publication import Published


class Postgres(Engine):
    """A warehouse on a server. Its credentials are dlt's: `[destination.postgres.credentials]`."""

    name = "postgres"
    adapter = "postgres"
    packages = ("psycopg2", "dbt.adapters.postgres", "adbc_driver_postgresql")
    takes_nul = False
    marts = schemas.NEXT

    def __init__(self, folder: Folder) -> None:
        super().__init__(folder)
        self._credentials = _credentials()

    @property
    def where(self) -> str:
        """The database and its server."""
        to = self._credentials
        return f"postgres://{to.host}:{to.port}/{to.database}"

    def destination(self) -> Any:
        """Return dlt's destination for the database; it copies Parquet files by ADBC."""
        from dlt.destinations.impl.postgres.postgres import PostgresParquetCopyJob  # of the extra

        # a file at once would be in memory whole, and one without rows would be refused
        PostgresParquetCopyJob._ingest_per_rowgroup = True
        return destinations.postgres(
            self._credentials,
            create_indexes=False,
            preferred_loader_file_format="parquet",
            type_mapper=JsonAsItCame,
        )

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the working folder, against runs here, and the database, against those elsewhere."""
        url = self._credentials.to_native_representation()
        with super().locked(), locked_session(url, self.where) as self._session:
            yield

    @contextmanager
    def opened(
        self, pipeline: dlt.Pipeline, limits: Mapping[str, str] | None = None
    ) -> Iterator[Warehouse]:
        """Open a DuckDB that fetches from the server what it needs."""
        spilled = {"temp_directory": str(self.folder.dlt / "spilled")}
        with duckdb.connect(config={**(limits or {}), **spilled}) as connection:
            yield Fetched(connection, self._credentials)

    def environment(self) -> dict[str, str]:
        """Return the schema that dbt builds the marts in."""
        return {"CONTACTS_MARTS": self.marts}

    def publish(self, pipeline: dlt.Pipeline) -> Published:
        """Swap the schema of the marts, over the connection that holds the lock."""
        return schemas.publish(self._session, self.where)

    def published(self, pipeline: dlt.Pipeline) -> Published | None:
        """Return the version that readers see."""
        return schemas.published(self._session, self.where)

    def roll_back(self) -> Published:
        """Swap the schema back."""
        return schemas.roll_back(self._session, self.where)


class JsonAsItCame(PostgresTypeMapper):
    """dlt's types, but `json`, which keeps the text: `jsonb` would not, and is none for Parquet."""

    def to_destination_type(self, column: TColumnSchema, table: PreparedTableSchema) -> str:
        """Return the server's type of a column."""
        if column["data_type"] == "json":
            return "json"
        return super().to_destination_type(column, table)


class Fetched(Warehouse):
    """What a server holds: of each row no more than its ids and a hash, computed there."""

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, credentials: PostgresCredentials
    ) -> None:
        super().__init__(connection)
        self._url = credentials.to_native_representation()
        self._numbers = count()

    def columns(self, name: str) -> set[str]:
        """Ask the server for the columns of a table."""
        columns = self._fetch(
            "select column_name from information_schema.columns "
            f"where table_schema = '{settings.RAW}' and table_name = '{name}'"
        )
        return {column for (column,) in self.connection.execute(f"from {columns}").fetchall()}

    def held(self, name: str, *columns: str) -> str:
        """Fetch some columns of all rows into a table."""
        return self._fetch(f"select {', '.join(columns)} from {settings.RAW}.{name}")

    def content(self, fields: Iterable[str], columns: set[str]) -> str:
        """Return a hash that both DuckDB and the server compute."""
        values = (
            f"'{field}=' || cast(\"{field}\" as text)" for field in fields if field in columns
        )
        return f"md5(array_to_string(array[{', '.join(values)}], chr(31)))"  # nulls are left out

    def rows_held(self, name: str) -> int:
        """Let the server count."""
        if not self.columns(name):
            return 0
        counted = self._fetch(f"select count(*) as row_count from {settings.RAW}.{name}")
        row = self.connection.execute(f"from {counted}").fetchone()
        return int(row[0]) if row else 0

    def _fetch(self, query: str) -> str:
        """Copy the result of a query, some rows at a time, and return the table's name."""
        from adbc_driver_postgresql import dbapi  # of the extra

        table = f"fetched_{next(self._numbers)}"
        with dbapi.connect(self._url) as server, server.cursor() as cursor:
            cursor.execute(query)
            self.connection.register("result", cursor.fetch_record_batch())
            self.connection.execute(f"create temp table {table} as from result")
            self.connection.unregister("result")
        return table


def _credentials() -> PostgresCredentials:
    found = credentials_of(dlt.destinations.postgres())
    if not found or not str(found.drivername).startswith("postgres"):
        raise SettingsError(
            "[elt] destination is 'postgres', and no database is named. Set [destination.postgres] "
            'credentials = "postgresql://user:password@host:5432/database" in .dlt/secrets.toml, '
            "or DESTINATION__POSTGRES__CREDENTIALS in the environment."
        )
    credentials: PostgresCredentials = found
    return credentials
