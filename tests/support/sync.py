"""The dlt source alone: what one sync yields, without a pipeline and without a warehouse.

The rules of what a response means, which rows are good and where a sync ends are all in the source,
and a sync of it takes about a tenth of a load.
"""

import copy
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any, cast

import pyarrow as pa
from dlt.common.configuration.container import Container
from dlt.common.pipeline import StateInjectableContext, TPipelineState
from dlt.extract.items_transform import MapItem

from extract import settings
from extract.ahead import ReadAhead
from extract.batches import ListCounts
from extract.errors import EltError
from extract.failures import plain_error
from extract.source import analytics_api, check_api

Row = dict[str, Any]


@dataclass
class Synced:
    """What one sync of the source yielded, or how it failed."""

    rows: dict[str, list[Row]]  # by resource, as the raw table gets them, in the order of the pages
    rejected: list[Row]  # rows of raw.rejected_rows
    counts: dict[str, ListCounts]
    failure: EltError | None = None
    raised: Exception | None = None  # what the failure was made of, as `--debug` shows it

    @property
    def exit_code(self) -> int:
        """The exit code of an `elt run` that ends so."""
        return self.failure.exit_code if self.failure else 0

    @property
    def error(self) -> str:
        """The message that `elt run` prints for the failure; empty if there is none."""
        return str(self.failure or "")

    def ids(self, resource: str = "leads") -> list[Any]:
        """Return the contact ids of a resource's rows, sorted, each once."""
        return sorted({row["crmhero_user_id"] for row in self.rows[resource]})


@dataclass
class Source:
    """The source with the state, cursors included, that a pipeline stores between two syncs."""

    state: dict[str, Any] = field(default_factory=dict)

    def sync(self, **arguments: Any) -> Synced:
        """Read both resources once, as a run does.

        Args:
            arguments: of `analytics_api`; dlt takes the others from the configuration.
        """
        state = copy.deepcopy(self.state)
        counts = {name: ListCounts() for name in settings.ENDPOINTS}
        synced = Synced({name: [] for name in settings.ENDPOINTS}, [], counts)
        try:
            with Container().injectable_context(
                StateInjectableContext(cast(TPipelineState, state))
            ):
                for resource, item in _items(counts, arguments):
                    if isinstance(item, pa.Table):
                        synced.rows[resource] += item.to_pylist()
                    elif isinstance(item, dict):
                        synced.rejected.append(item)
        except Exception as failure:
            synced.failure, synced.raised = plain_error(failure), failure
            return synced
        self.state = state
        return synced


def check() -> Synced:
    """Request the pages of a check, as `elt check` does."""
    synced = Synced({}, [], {})
    try:
        check_api({})
    except Exception as failure:
        synced.failure, synced.raised = plain_error(failure), failure
    return synced


def _items(counts: dict[str, ListCounts], arguments: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    with ReadAhead() as ahead:
        source = analytics_api(ahead=ahead, counts=counts, **arguments)
        for name, resource in source.resources.items():
            resource.add_step(_Named(partial(_named, name)))
        yield from source


class _Named(MapItem):
    """Adds the resource's name to what the incremental step, which has affinity 1, lets through."""

    placement_affinity = 2


def _named(name: str, item: Any) -> tuple[str, Any]:
    return name, item


def newest(rows: list[Row], *key: str) -> dict[Any, Row]:
    """Return the newest copy of each row by its key, which is what a merge keeps.

    Args:
        rows: of one resource.
        key: the fields of its primary key; the result's keys are values, or tuples of several.
    """
    copies: dict[Any, list[Row]] = defaultdict(list)
    for row in rows:
        values = tuple(row[name] for name in key)
        copies[values if len(key) > 1 else values[0]].append(row)
    return {
        value: max(found, key=lambda row: str(row[settings.VERSION]))
        for value, found in copies.items()
    }
