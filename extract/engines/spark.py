"""Parquet files in a folder or bucket, which loads only add to, and a Spark cluster for the models.

No table format takes part, so nothing in the files is ever changed: the newest copy of a row is the
row, and what a full read did not list is gone. The macro `raw_rows` knows it for Spark, `Appended`
for DuckDB.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import dlt
from dlt.common.storages.configuration import FilesystemConfiguration

from extract import settings
from extract.engines.engine import Engine
from extract.errors import EltError, SettingsError
from extract.folder import Folder
from extract.warehouse import Warehouse
from publish.publication import Published

LOADED = "cast(_dlt_load_id as double)"  # UNIX seconds


class Spark(Engine):
    """A lake, `[destination.filesystem] bucket_url`, and the Thrift server of a cluster."""

    name = "spark"
    adapter = "spark"
    packages = ("dbt.adapters.spark", "pyhive")
    is_append_only = True
    publishes = False
    # snapshots need a table format; raw tables hold each row several times
    dbt_arguments = ("--exclude", "tag:history", "source:*+1,test_type:generic")

    def __init__(self, folder: Folder) -> None:
        super().__init__(folder)
        url = dlt.config.get("destination.filesystem.bucket_url", str)
        if not url:
            raise SettingsError(
                "[elt] destination is 'spark', and there is no place for its files. Set "
                "[destination.filesystem] bucket_url in .dlt/config.toml, or "
                "DESTINATION__FILESYSTEM__BUCKET_URL in the environment, to a folder or bucket "
                "that all machines of the cluster read under this name."
            )
        self._url = FilesystemConfiguration.make_file_url(url) if "://" not in url else url

    @property
    def where(self) -> str:
        """The files' place."""
        return self._url

    def destination(self) -> Any:
        """Return dlt's destination for the files."""
        return dlt.destinations.filesystem(self._url, preferred_loader_file_format="parquet")

    @contextmanager
    def opened(
        self, pipeline: dlt.Pipeline, limits: Mapping[str, str] | None = None
    ) -> Iterator[Warehouse]:
        """Open the DuckDB by which dlt reads the files, with views on them."""
        with pipeline.sql_client() as client:
            connection = client.native_connection
            for name, value in (limits or {}).items():
                connection.execute(f"set {name} = '{value}'")
            connection.execute(f"set temp_directory = '{self.folder.dlt / 'spilled'}'")
            connection.execute(f"create schema if not exists {settings.RAW}")
            for table in (*settings.ENDPOINTS, "elt_runs"):
                files = f"{self._url.removeprefix('file://')}/{settings.RAW}/{table}/*.parquet"
                if connection.execute("from glob(?) limit 1", [files]).fetchone():
                    # dlt's own view would name columns that are about to come
                    connection.execute(
                        f"create or replace view {settings.RAW}.{table} as "
                        f"from read_parquet('{files}', union_by_name = true)"
                    )
            yield Appended(connection)

    def environment(self) -> dict[str, str]:
        """Return where the files are, as Spark spells it, and where the cluster answers."""
        lake = self._url.removeprefix("file://").replace("s3://", "s3a://", 1)
        host, port = _thrift_server()
        return {
            "CONTACTS_LAKE": lake,
            "CONTACTS_SPARK_HOST": host,
            "CONTACTS_SPARK_PORT": str(port),
        }

    def check(self) -> None:
        """Ask the Thrift server for an answer."""
        from pyhive import hive  # of the extra
        from thrift.transport.TTransport import TTransportException

        host, port = _thrift_server()
        try:
            with hive.connect(host, port, username="dbt") as server, server.cursor() as cursor:
                cursor.execute("select 1")
        except TTransportException as error:
            raise EltError(
                f"Spark's Thrift server does not answer at {host}:{port}: {error.message}. Start "
                "it, or mend [destination.spark] host and port in .dlt/config.toml."
            ) from error

    def check_built(self, pipeline: dlt.Pipeline) -> None:
        """Refuse: there is nothing to publish where readers see what dbt builds."""
        raise EltError("With [elt] destination = 'spark', readers see what elt run builds.")

    def publish(self, pipeline: dlt.Pipeline) -> Published | None:
        """Do nothing: readers see what dbt builds as it is built."""
        return None

    def published(self, pipeline: dlt.Pipeline) -> Published | None:
        """Return nothing: there are no versions."""
        return None


def _thrift_server() -> tuple[str, int]:
    """Return `[destination.spark]` host and port."""
    host = dlt.config.get("destination.spark.host", str) or "127.0.0.1"
    return host, dlt.config.get("destination.spark.port", int) or 10000


class Appended(Warehouse):
    """What files hold: the newest copy of each row, unless a full read did not list it since."""

    def held(self, name: str, *columns: str) -> str:
        """Return a relation of the newest copies."""
        keys = settings.ENDPOINTS[name].primary_key
        whole = "0"
        if f"{name}_is_whole" in self.columns("elt_runs"):
            whole = (
                f"(select coalesce(max(cast(load_id as double)), 0) from {settings.RAW}.elt_runs "
                f"where {name}_is_whole)"
            )
        copy = f"row({LOADED}, {settings.VERSION})"
        newest = (
            f"select {', '.join(keys)}, max({copy}) as newest_copy "
            f"from {settings.RAW}.{name} group by {', '.join(keys)}"
        )
        same = " and ".join(f"copies.{key} = newest.{key}" for key in keys)
        return (
            f"(select {', '.join(columns)} from {settings.RAW}.{name} as copies where {LOADED} >= "
            f"{whole} and exists (from ({newest}) as newest where {same} and {copy} = newest_copy))"
        )
