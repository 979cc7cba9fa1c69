"""The dlt source: what is read from the API, declared.

`GET leads/list -> raw.leads`, `GET users/list -> raw.users`, newest `last_update` first, in pages.
A rerun reads from the top until it meets rows older than the newest one loaded before, less an
overlap, and merges what it read by primary key. A list ends with an empty page.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from typing import Any

import dlt
from dlt.common import jsonpath
from dlt.common.schema.typing import TDeleteInsertStrategyDict
from dlt.common.typing import TSecretStrValue
from dlt.extract import DltResource
from dlt.sources.rest_api import RESTAPIConfig, rest_api_resources
from dlt.sources.rest_api.typing import EndpointResource

from extract import settings
from extract.ahead import ReadAhead
from extract.answers import page_check
from extract.client import ListPaginator, api_root, http_session
from extract.errors import SettingsError
from extract.rows import ListCounts, PreparePage

# of the copies of a row, `warehouse.keep_newest` leaves one: dlt's own way of it, a window over all
# columns, takes memory for all rows
MERGE: TDeleteInsertStrategyDict = {
    "disposition": "merge",
    "strategy": "delete-insert",
    "deduplicated": True,
}


@dlt.source(name="analytics_api", section=settings.SECTION, max_table_nesting=0)
def analytics_api(
    base_url: str = dlt.config.value,
    api_key: TSecretStrValue = dlt.secrets.value,
    page_size: int = settings.PAGE_SIZE,
    first_page: int = settings.FIRST_PAGE,
    end_of_list: settings.EndOfList = "empty",
    lag_seconds: int = settings.LAG_SECONDS,
    max_in_flight: int = settings.MAX_IN_FLIGHT,
    ahead: ReadAhead | None = None,
    counts: dict[str, ListCounts] | None = None,
) -> Iterator[DltResource]:
    """Read the leads and users of one customer project.

    Args:
        base_url: the API's root, with or without the last slash; https unless on this machine.
        api_key: the bearer token.
        page_size: rows a page.
        first_page: the number of the first page.
        end_of_list: "empty", or "short_page" for an API that errs past the end of its list.
        lag_seconds: how far before the cursor a rerun reads again.
        max_in_flight: requests of one list that are on their way at once, where there is `ahead`.
        ahead: sends the requests; without, one is sent after the other.
        counts: what was read of each list; counted up.

    Yields:
        The resources `leads` and `users`, one row a list entry (`settings.list_columns`).

    Raises:
        SettingsError: a setting that cannot work; says which.
    """
    if page_size < 1 or lag_seconds < 0 or max_in_flight < 1:
        raise SettingsError(
            f"[sources.{settings.SECTION}] page_size and max_in_flight must be 1 or more, "
            "lag_seconds 0 or more."
        )
    root = api_root(base_url)
    key = api_key.strip()
    if not key.isascii() or not key.isprintable() or " " in key:
        raise SettingsError(
            f"[sources.{settings.SECTION}] api_key holds a character that no bearer token has."
        )
    # a text that looks like a moment is a text like any other
    dlt.current.source_schema().remove_type_detection("iso_timestamp")
    started_at = datetime.now(UTC)
    counts = counts if counts is not None else {}
    for name in settings.ENDPOINTS:
        counts.setdefault(name, ListCounts())

    session = http_session(root)
    if ahead:
        ahead.serve(session, max_in_flight)
    paginators = {
        name: ListPaginator(first_page, page_size, end_of_list) for name in settings.ENDPOINTS
    }

    def resource(name: str) -> EndpointResource:
        endpoint = settings.ENDPOINTS[name]
        count = counts[name]
        check = page_check(
            name, first_page, end_of_list, count.count_answer, count.count_undecodable
        )
        return {
            "name": name,
            "primary_key": list(endpoint.primary_key),
            "columns": settings.list_columns(name),
            "endpoint": {
                "path": endpoint.path,
                # compiled once, where a string is compiled for every page
                "data_selector": jsonpath.compile_path(f"data.{name}"),
                "paginator": paginators[name],
                "response_actions": [check],
            },
        }

    config: RESTAPIConfig = {
        "client": {
            "base_url": root,
            "auth": {"type": "bearer", "token": key},
            "session": session,
        },
        "resource_defaults": {
            "write_disposition": MERGE,
            "endpoint": {
                "params": {
                    "sort": "last_update",
                    "sort_direction": "desc",
                    "per_page": page_size,
                },
                "incremental": {
                    "cursor_path": settings.CURSOR,
                    "initial_value": 0.0,
                    # without any lag dlt drops a second change within the cursor's second
                    "lag": max(lag_seconds, 1),
                    "row_order": "desc",
                    "on_cursor_value_missing": "include",
                },
            },
        },
        "resources": [resource(name) for name in settings.ENDPOINTS],
    }
    for read in rest_api_resources(config):
        prepare = PreparePage(
            read.name,
            counts[read.name],
            started_at,
            paginators[read.name],
            partial(_start_value, read),
        )
        if ahead:
            prepare.on_page = partial(ahead.note, read.name)
        read.add_step(prepare)
        # a second table of the same resource begins with the columns of the first: clear them
        for columns in ({}, settings.REJECTED_COLUMNS):
            read.apply_hints(
                table_name=settings.REJECTED_TABLE,
                write_disposition="merge",
                primary_key=("resource", "row_hash"),
                columns=columns,
                create_table_variant=True,
            )
        yield read


def _start_value(read: DltResource) -> float:
    """Return the cursor, less the overlap, that the read of a list stops below."""
    step: Any = read.incremental  # dlt's types allow for none
    return float(step.incremental.start_value)


def empty_table(name: str) -> DltResource:
    """Return a resource without rows in a list's place: its table exists, with all its columns."""
    return dlt.resource(
        [dlt.mark.materialize_table_schema()],
        name=name,
        columns=settings.list_columns(name),
        primary_key=settings.ENDPOINTS[name].primary_key,
        write_disposition=MERGE,
    )
