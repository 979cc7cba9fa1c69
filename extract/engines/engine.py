"""What every engine has to tell."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Any, ClassVar

import dlt
from dlt.common.configuration.exceptions import ConfigurationException

from extract import settings
from extract.engines.session import check_session
from extract.errors import EltError
from extract.folder import Folder
from extract.warehouse import Warehouse
from publish.publication import Published

UNFINISHED = "unfinished_build"  # a table that dbt's hooks make and drop


class Engine(ABC):
    """Where a warehouse is, and what is special about it there.

    Args:
        folder: where a run works, and where a warehouse that is a file lies.
    """

    name: ClassVar[str]  # `[elt] destination`, the profile of dbt, and the extra to install
    adapter: ClassVar[str]  # dbt's
    packages: ClassVar[Sequence[str]] = ()  # what it needs beyond the default, by import name
    # loads only add rows: the newest copy of a row counts, and `elt_runs` tells what is gone
    is_append_only: ClassVar[bool] = False
    has_readers: ClassVar[bool] = False  # of the folder: what is published lies in it
    publishes: ClassVar[bool] = True  # or readers see what dbt builds as it is built
    takes_nul: ClassVar[bool] = True  # a text may hold the character U+0000
    elsewhere: ClassVar[str] = "another database"  # where another warehouse can be
    marts: ClassVar[str] = "marts"  # the schema that dbt builds the marts in
    dbt_arguments: ClassVar[Sequence[str]] = ()  # of each command

    def __init__(self, folder: Folder) -> None:
        self.folder = folder
        self._session: Any = None  # with a server that holds a lock, too; while it is held

    @property
    @abstractmethod
    def where(self) -> str:
        """The warehouse as a person knows it, without secrets."""

    @property
    def look(self) -> str:
        """How a person looks at the rows that a failed test found."""
        return "<the select that its failure ends with>, in any client of the warehouse"

    @abstractmethod
    def destination(self) -> Any:
        """Return dlt's destination, which loads Parquet files."""

    def exists(self) -> bool:
        """Tell whether there is a warehouse, as far as that is known without opening it."""
        return True

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Make the folder to work in, and hold the warehouse for one run.

        Raises:
            BusyError: another run holds it; names it.
            SettingsError: the folder cannot be written.
        """
        self.folder.create(self.has_readers)
        with self.folder.locked():
            yield

    def check_lock(self) -> None:
        """Make sure that the warehouse is still held; the folder's own lock does not get lost.

        Raises:
            EltError: it is not, and another run may have begun.
        """
        if self._session is not None:
            check_session(self._session, self.where)

    def check(self, pipeline: dlt.Pipeline) -> bool:
        """Try what a run needs, and tell whether anything was loaded yet.

        Args:
            pipeline: of the warehouse.
        """
        with pipeline.destination_client() as client:
            return bool(client.is_storage_initialized())

    @contextmanager
    def reserved(self) -> Iterator[None]:
        """Keep programs out that are no run, where they would be in the way."""
        yield

    @abstractmethod
    def opened(
        self, pipeline: dlt.Pipeline, limits: Mapping[str, str] | None = None
    ) -> AbstractContextManager[Warehouse]:
        """Open what the warehouse holds, for DuckDB to hold against Parquet files.

        Where programs that are no run would be in the way, they are kept out.

        Args:
            pipeline: of the warehouse.
            limits: settings of DuckDB; connections of dlt's to a file share them.
        """

    def check_built(self, pipeline: dlt.Pipeline) -> None:
        """Make sure that the marts can be published as they are.

        Args:
            pipeline: of the warehouse.

        Raises:
            EltError: there are none, or they may be half new.
        """
        with self.reserved(), pipeline.sql_client() as client:
            tables = client.execute_sql(
                "select table_name from information_schema.tables where table_schema = %s",
                self.marts,
            )
        names = {name for (name,) in tables or ()}
        if UNFINISHED in names:
            raise EltError(
                f"The last build of the models in {self.where} failed, was killed or was one of "
                "some models by hand, so the marts may be half new: elt run builds them anew."
            )
        if not names:
            raise EltError(f"No marts wait in {self.where} to be published: elt run builds them.")

    def environment(self) -> dict[str, str]:
        """Return what dbt's profile takes from the environment, beside dlt's credentials."""
        return {}

    @abstractmethod
    def publish(self, pipeline: dlt.Pipeline) -> Published | None:
        """Show readers the marts, of which every blocking test has passed.

        Args:
            pipeline: of the warehouse.

        Returns:
            The new version; None where readers see what dbt builds as it is built.
        """

    @abstractmethod
    def published(self, pipeline: dlt.Pipeline) -> Published | None:
        """Return what readers see; None where nothing was published yet."""

    def roll_back(self) -> Published:
        """Let readers see the version before the current one again.

        Raises:
            EltError: there is none.
        """
        raise EltError(f"[elt] destination = {self.name!r} keeps no former versions.")


def credentials_of(destination: Any) -> Any:
    """Return the credentials that a user configured for a destination of dlt's, None where none."""
    with suppress(ConfigurationException):
        spec = destination.spec()._bind_dataset_name(settings.RAW)
        return destination.configuration(spec).credentials
    return None
