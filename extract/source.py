"""The dlt source: what is read from the API, declared.

`GET leads/list -> raw.leads`, `GET users/list -> raw.users`, newest `last_update` first, in pages.
A rerun reads from the top down to the newest row loaded before, less an overlap, and merges what it
read by primary key. Which pages are requested, and when that is enough, is in `sync_plan`.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from typing import Any

import dlt
from dlt.common import jsonpath
from dlt.common.configuration.container import Container
from dlt.common.pipeline import StateInjectableContext
from dlt.common.schema.typing import TDeleteInsertStrategyDict
from dlt.common.typing import TSecretStrValue
from dlt.extract import DltResource
from dlt.sources.rest_api import RESTAPIConfig, rest_api_resources
from dlt.sources.rest_api.typing import EndpointResource

from extract import settings
from extract.ahead import ReadAhead
from extract.answers import page_check
from extract.batches import Batches, ListCounts
from extract.check_plan import CheckPlan
from extract.client import api_root, http_session
from extract.customer import CustomerProject
from extract.errors import SettingsError
from extract.plan import Plan, PlanPaginator
from extract.rows import RowPreparer
from extract.sync_plan import Outcome, StartingPoint, SyncPlan

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
    outcomes: dict[str, Outcome] | None = None,
    newest_known: dict[str, float] | None = None,
    project: CustomerProject | None = None,
    checks: dict[str, CheckPlan] | None = None,
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
        outcomes: gets what the sync of each list proved.
        newest_known: the newest cursor of earlier syncs, by list, in UNIX seconds; for full syncs,
            whose cursor is reset.
        project: which all rows must belong to.
        checks: gets a check of each list, which is made instead of a sync.

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

    outcomes = outcomes if outcomes is not None else {}
    project = project or CustomerProject()
    lag = float(max(lag_seconds, 1))  # without any, dlt drops a second change within one second
    session = http_session(root)
    paginators: dict[str, PlanPaginator] = {}

    def plan(name: str) -> Plan:
        """Return the plan of a sync, once dlt has restored the cursor."""
        if checks is not None:
            checks[name] = CheckPlan(name, page_size, first_page, end_of_list)
            return checks[name]
        cursor = _starting_point(resources[name])
        newest = cursor + lag if cursor else (newest_known or {}).get(name)
        start = StartingPoint(newest, lag) if newest else None
        plan = SyncPlan(name, page_size, first_page, end_of_list, not cursor, start)
        outcomes[name] = plan.outcome
        return plan

    for name in settings.ENDPOINTS:
        rows = RowPreparer(name, started_at, project, partial(_stored_columns, name))
        paginators[name] = PlanPaginator(partial(plan, name), rows.prepare)
    if ahead:
        ahead.serve(session, max_in_flight, lambda name: paginators[name].may_fail)

    def resource(name: str) -> EndpointResource:
        endpoint = settings.ENDPOINTS[name]
        check = page_check(name, first_page, end_of_list, counts[name].count_answer)
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
                "params": {"sort": "last_update"},
                "incremental": {
                    "cursor_path": settings.CURSOR,
                    "initial_value": 0.0,
                    "lag": lag,
                    "on_cursor_value_missing": "include",
                },
            },
        },
        "resources": [resource(name) for name in settings.ENDPOINTS],
    }
    resources = {resource.name: resource for resource in rest_api_resources(config)}
    for name, read in resources.items():
        on_page = partial(ahead.note, name) if ahead else lambda page: None
        read.add_step(Batches(name, counts[name], paginators[name], on_page))
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


def _starting_point(resource: DltResource) -> float:
    """Return the cursor that an incremental sync reads down to; 0 for a full sync."""
    step: Any = resource.incremental  # dlt's types allow for none
    return float(step.incremental.start_value)


def _stored_columns(name: str) -> dict[str, str]:
    """Return the columns of a list's fields by field, which dlt stores with the rows."""
    columns: dict[str, str] = (
        dlt.current.source_state().setdefault("columns", {}).setdefault(name, {})
    )
    return columns


def empty_table(name: str) -> DltResource:
    """Return a resource without rows in a list's place: its table exists, with all its columns."""
    return dlt.resource(
        [dlt.mark.materialize_table_schema()],
        name=name,
        columns=settings.list_columns(name),
        primary_key=settings.ENDPOINTS[name].primary_key,
        write_disposition=MERGE,
    )


def check_api(connection: dict[str, Any]) -> dict[str, CheckPlan]:
    """Request some pages of each list, and load nothing.

    Args:
        connection: arguments of `analytics_api`.
    """
    checks: dict[str, CheckPlan] = {}
    with Container().injectable_context(StateInjectableContext(state={})), ReadAhead() as ahead:
        list(analytics_api(**connection, ahead=ahead, checks=checks))
    return checks
