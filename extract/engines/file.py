"""DuckDB, the default: a file in the data folder, and readers have files of their own."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import dlt

from extract.engines import destinations
from extract.engines.engine import Engine
from extract.warehouse import Warehouse
from publish import publication
from publish.publication import Published


class File(Engine):
    """A warehouse that one process at a time has open."""

    name = "duckdb"
    adapter = "duckdb"
    has_readers = True
    elsewhere = "another [elt] data_dir"

    @property
    def where(self) -> str:
        """The file's path."""
        return str(self.folder.warehouse)

    @property
    def look(self) -> str:
        """How a person looks at the rows that a failed test found."""
        return f'duckdb -readonly {self.where} "<the select that its failure ends with>"'

    def destination(self) -> Any:
        """Return dlt's destination for the file."""
        return destinations.duckdb(self.where, preferred_loader_file_format="parquet")

    def exists(self) -> bool:
        """Tell whether there is a file."""
        return self.folder.warehouse.exists()

    @contextmanager
    def reserved(self) -> Iterator[None]:
        """Keep other programs out: whoever has the file open blocks all others."""
        with self.folder.connect():
            yield

    @contextmanager
    def opened(
        self, pipeline: dlt.Pipeline, limits: Mapping[str, str] | None = None
    ) -> Iterator[Warehouse]:
        """Open the file."""
        with self.folder.connect(limits or {}) as connection:
            yield Warehouse(connection)

    def publish(self, pipeline: dlt.Pipeline) -> Published:
        """Publish a version as files."""
        return publication.publish(self.folder)

    def published(self, pipeline: dlt.Pipeline) -> Published | None:
        """Return the version that readers see."""
        return publication.published(self.folder)

    def roll_back(self) -> Published:
        """Let readers see the version before the current one again."""
        return publication.roll_back(self.folder)
