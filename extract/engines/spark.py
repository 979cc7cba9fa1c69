"""Parquet files in a folder or bucket, which loads only add to, and a Spark cluster for the models.

No table format takes part, so nothing in the files is ever changed: the newest copy of a row is the
row, and what a full sync did not list is gone. The macro `raw_rows` knows it for Spark, `Appended`
for DuckDB.
"""

import logging
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dlt

from extract import settings
from extract.engines.engine import Engine
from extract.errors import EltError, SettingsError
from extract.folder import Folder
from extract.warehouse import Warehouse
from publish.publication import Published

LOADS = "_dlt_loads"
LOADED = "cast(_dlt_load_id as double)"  # UNIX seconds


class Spark(Engine):
    """A lake, `[destination.filesystem] bucket_url`, and the Thrift server of a cluster."""

    name = "spark"
    adapter = "spark"
    packages = ("dbt.adapters.spark", "pyhive")
    is_append_only = True
    publishes = False
    elsewhere = "another bucket_url"
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
        if odd := set("'\"*?[%") & set(url):
            raise SettingsError(
                f"[destination.filesystem] bucket_url {url} holds a character that a lake's place "
                f"cannot: {' '.join(sorted(odd))}"
            )
        self._is_local = url.startswith("file:") or "://" not in url
        path = settings.ROOT / Path(url.removeprefix("file://")).expanduser()
        self._place = str(path) if self._is_local else url.rstrip("/")
        self._raw = f"{self._place}/{settings.RAW}"

    @property
    def where(self) -> str:
        """The files' place."""
        return self._place

    def destination(self) -> Any:
        """Return dlt's destination for the files."""
        url = Path(self._place).as_uri() if self._is_local else self._place
        return dlt.destinations.filesystem(url, preferred_loader_file_format="parquet")

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the working folder; and take away what killed loads left in the lake.

        Only a load that came to its end is noted by dlt. What one that did not leaves in a folder
        may be half a file, which nobody could read; in a bucket, files are whole or not there.
        """
        with super().locked():
            if self._is_local:
                ended = self._ended_loads(path.name for path in Path(self._raw, LOADS).glob("*"))
                for file in Path(self._raw).glob("*/*.parquet"):
                    if file.name.rsplit(".", 2)[0] not in ended:
                        file.unlink()
            yield

    @contextmanager
    def opened(
        self, pipeline: dlt.Pipeline, limits: Mapping[str, str] | None = None
    ) -> Iterator[Warehouse]:
        """Open the DuckDB by which dlt reads the files, with views on them.

        Raises:
            EltError: files are gone, or the clock is behind the last load, by which rows are told
                from their former copies.
        """
        with pipeline.sql_client() as client:
            connection = client.native_connection
            for name, value in (limits or {}).items():
                connection.execute(f"set {name} = '{value}'")
            connection.execute(f"set temp_directory = '{self.folder.dlt / 'spilled'}'")
            connection.execute(f"create schema if not exists {settings.RAW}")
            loads = connection.execute("from glob(?)", [f"{self._raw}/{LOADS}/*"]).fetchall()
            ended = self._ended_loads(path for (path,) in loads)
            if any(float(load_id) > time.time() for load_id in ended):
                raise EltError(
                    f"The clock of this machine is behind the last load in {self.where}: set it."
                )
            for table in (*settings.ENDPOINTS, "elt_runs"):
                files = f"{self._raw}/{table}/*.parquet"
                if connection.execute("from glob(?) limit 1", [files]).fetchone():
                    # dlt's own view would name columns that are about to come
                    connection.execute(
                        f"create or replace view {settings.RAW}.{table} as "
                        f"from read_parquet('{files}', union_by_name = true)"
                    )
                elif ended and table in settings.ENDPOINTS:
                    raise EltError(
                        f"The files of {table} are gone from {self.where}, where loads are noted. "
                        "Put them back, or name an empty place."
                    )
            yield Appended(connection)

    def _ended_loads(self, names: Iterable[str]) -> set[str]:
        """Return the ids of loads that came to their end, of the names of dlt's notes."""
        return {name.rpartition("__")[2].removesuffix(".jsonl") for name in names}

    def environment(self) -> dict[str, str]:
        """Return where the files are, as Spark spells it, and where the cluster answers."""
        lake = self._place.replace("s3://", "s3a://", 1)
        host, port = _thrift_server()
        return {
            "CONTACTS_LAKE": lake,
            "CONTACTS_SPARK_HOST": host,
            "CONTACTS_SPARK_PORT": str(port),
        }

    def check(self, pipeline: dlt.Pipeline) -> bool:
        """Ask the Thrift server, too, for an answer."""
        from pyhive import hive  # of the extra
        from thrift.transport.TTransport import TTransportException

        host, port = _thrift_server()
        logging.getLogger("thrift").setLevel(logging.CRITICAL)  # it would say the same once more
        try:
            with hive.connect(host, port, username="dbt") as server, server.cursor() as cursor:
                cursor.execute("select 1")
        except TTransportException as error:
            raise EltError(
                f"Spark's Thrift server does not answer at {host}:{port}: {error.message}. Start "
                "it, or mend [destination.spark] host and port in .dlt/config.toml."
            ) from error
        return super().check(pipeline)

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
    """What files hold: the newest copy of each row, unless a full sync did not list it since."""

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
