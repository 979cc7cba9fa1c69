"""Gathers the pages of an endpoint into Arrow tables of some thousand rows.

With the types of the columns settled here, dlt need not look at each value of each row, which is
most of what loading JSON takes.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import dlt
import pyarrow as pa
from dlt.extract.items_transform import ItemTransform

from extract import settings
from extract.plan import PlanPaginator
from extract.rows import Page, Row
from extract.values import storable_text

ARROW_TYPES = {"bigint": pa.int64(), "double": pa.float64(), "text": pa.string()}
# what dlt is given at once: it spends milliseconds on each table
BATCH_ROWS = 5000
BATCH_BYTES = 2**24  # of the responses; rows can be large


@dataclass
class ListCounts:
    """What one run read of one list, in all its reads of it.

    A page costs more than one request when it is retried.
    """

    pages: int = 0
    requests: int = 0
    bytes_read: int = 0  # of all answers
    rows_read: int = 0
    undecodable_rows: int = 0  # rows with a byte that is not UTF-8
    last_keys: Sequence[Row] = ()  # of the last page that had rows
    on_page: Callable[[], None] = lambda: None

    def count_answer(self, size: int) -> None:
        """Count one answer of the API, of so many bytes."""
        self.requests += 1
        self.bytes_read += size


class Batches(ItemTransform[Any, Any]):
    """Passes on tables of rows, and rows set aside for their own table.

    It stands before the incremental step, which needs the cursor.

    Args:
        name: the endpoint's.
        counts: counted up for every page.
        paginator: has the page that was just read, and knows whether it is the last.
        on_page: called with each page, in the order of the requests.
    """

    def __init__(
        self,
        name: str,
        counts: ListCounts,
        paginator: PlanPaginator,
        on_page: Callable[[Page], None] = lambda page: None,
    ) -> None:
        super().__init__(self._pass_on)
        self.counts = counts
        self.paginator = paginator
        self.on_page = on_page
        self._primary_key = settings.ENDPOINTS[name].primary_key
        self._types = {
            field: ARROW_TYPES.get(str(hint["data_type"]), pa.string())
            for field, hint in settings.list_columns(name).items()
        }
        self._batch: list[Page] = []
        self._has_begun = False
        self._bytes_passed = 0

    def __call__(self, item: Any, meta: Any = None) -> Iterator[Any] | None:
        """Return the rows gathered, once they are worth it. The paginator has prepared the item."""
        page = self.paginator.plan.page
        self.counts.pages += 1
        self.counts.rows_read += len(page.identities())
        self.counts.undecodable_rows += self.paginator.damaged_rows
        if page.keys:
            self.counts.last_keys = [
                dict(zip(self._primary_key, key, strict=True)) for key in page.keys
            ]
        self.counts.on_page()
        self.on_page(page)
        self._batch.append(page)
        begins, self._has_begun = not self._has_begun, True
        if (
            begins  # alone, so that a limit of one page reads one
            or not self.paginator.has_next_page
            or sum(len(page.keys) for page in self._batch) >= BATCH_ROWS
            or self.counts.bytes_read - self._bytes_passed >= BATCH_BYTES
        ):
            return self._pass_on(begins)
        return None

    def _pass_on(self, begins: bool) -> Iterator[Any]:
        batch, self._batch = self._batch, []
        self._bytes_passed = self.counts.bytes_read
        # without rows, the tables are still made, with all their columns
        nothing = dlt.mark.materialize_table_schema()
        if any(page.keys for page in batch):
            yield self._table(batch)
        elif begins:
            yield nothing
        rejected = list(chain.from_iterable(page.rejected for page in batch))
        if rejected or begins:
            yield dlt.mark.with_table_name(rejected or nothing, settings.REJECTED_TABLE)

    def _table(self, batch: Sequence[Page]) -> pa.Table:
        """Return the rows of some pages, with all declared columns."""
        names = dict.fromkeys(chain(self._types, *(page.columns for page in batch)))
        columns = {}
        for name in names:
            values = chain.from_iterable(
                page.columns.get(name, [None] * len(page.keys)) for page in batch
            )
            columns[name] = _array(list(values), self._types.get(name, pa.string()))
        return pa.table(columns)


def _array(values: list[Any], data_type: pa.DataType) -> pa.Array:
    try:
        return pa.array(values, data_type)
    except UnicodeEncodeError:
        return pa.array([value and storable_text(value) for value in values], data_type)
