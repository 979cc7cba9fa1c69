"""One run: extract and load the lists, build and test the models, publish the marts.

The warehouse is the only truth. A run starts with an empty working folder and restores dlt's state
(cursors, schema, the API it is bound to, full reads) from the warehouse; what an earlier run left
unfinished is thrown away and read again, which merges make safe.
"""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from typing import Any

import dlt
from duckdb import DuckDBPyConnection

from extract import dbt_build, settings, state, warehouse
from extract.client import api_root
from extract.errors import EltError, ShrinkError
from extract.folder import Folder, folder_for
from extract.memory import spaciously
from extract.project import write_to
from extract.reading import Limits, Reading, shrinkage
from extract.report import Progress, RunReport, TableReport
from extract.rows import ListCounts
from extract.sandbox import API_KEY, sandbox_server
from publish.publication import keep_versions, publish, published


def run(
    resources: Sequence[str] = (),
    full_refresh: bool = False,
    rebind: bool = False,
    allow_shrink: bool = False,
) -> RunReport:
    """Run the pipeline once.

    Args:
        resources: the lists to read, `leads` or `users`; both by default.
        full_refresh: read the lists whole, rebuild the models.
        rebind: accept that `base_url` is not the one that the warehouse was loaded from.
        allow_shrink: read the lists whole, remove what they list no more, however much that is.

    Returns:
        What was done. Failed models and tests are in its `build`: the rows are loaded all the same,
        and nothing is published.

    Raises:
        ShrinkError: what was read is merged, nothing is removed, the models are as they were.
        EltError: the run failed before its models were built, or could not publish. What it had
            loaded by then is no more than the next run reads again.
    """
    base_url = configured_base_url()
    limits = Limits.configured()
    keep_versions()  # is told before anything is read, too, if it cannot work
    names = frozenset(resources or settings.ENDPOINTS)
    whole = names if full_refresh or allow_shrink else frozenset()
    folder = folder_for(base_url)
    folder.create()
    with folder.locked(), Progress() as progress:
        report = RunReport(str(folder.warehouse))
        started_at = datetime.now(UTC)
        counts = {name: ListCounts() for name in settings.ENDPOINTS}
        progress.watch(counts)
        with report.timed("extract"), connection(base_url) as api:
            reading = Reading(folder, partial(open_pipeline, folder, base_url, rebind), api, counts)
            reading.read(names, whole, limits.full_read_days)
        shrunk = "" if allow_shrink else shrinkage(reading, limits.max_shrink)
        progress.stage("loading")
        with report.timed("load"), folder.connect(settings.LIMITS) as held:
            _load(reading, held, report)
            if shrunk:
                # cursors may be another project's
                state.begin_full_reads(reading.pipeline, settings.ENDPOINTS, reading.rows_held)
            else:
                _remove_missing(reading, report, started_at)
            _note(reading.pipeline, report, started_at)
        if shrunk:
            raise ShrinkError(shrunk)
        folder.become_last_run()
        progress.stage("building and testing the models")
        with report.timed("transform"):
            with folder.connect():
                pass  # nobody else has it open
            report.build = dbt_build.build(reading.pipeline, folder, full_refresh)
        shutil.rmtree(folder.dlt)
        _publish(folder, report, progress)
    return report


def test_and_publish() -> RunReport:
    """Test the models as they are, and publish the marts.

    Returns:
        What was done. If tests failed, they are in its `build`, and nothing was published.

    Raises:
        EltError: there are no models, or they could not be tested or published.
    """
    base_url = configured_base_url()
    folder = folder_for(base_url)
    folder.create()
    with folder.locked(), Progress() as progress:
        report = RunReport(str(folder.warehouse))
        if not folder.warehouse.exists():
            raise EltError(f"There is no warehouse at {folder.warehouse} yet: elt run makes it.")
        pipeline = open_pipeline(folder, base_url)
        progress.stage("testing the models")
        with report.timed("transform"):
            report.build = dbt_build.test(pipeline, folder)
        shutil.rmtree(folder.dlt)
        _publish(folder, report, progress)
    return report


def configured_base_url() -> str:
    """Return `base_url` as one spelling of one API, or "sandbox"."""
    base_url = str(dlt.config[f"sources.{settings.SECTION}.base_url"])
    return base_url if base_url == settings.SANDBOX else api_root(base_url)


def open_pipeline(folder: Folder, base_url: str, rebind: bool = False) -> dlt.Pipeline:
    """Return the dlt pipeline of a warehouse, with its state restored from there.

    Raises:
        SettingsError: the warehouse belongs to another API.
    """
    shutil.rmtree(folder.dlt, ignore_errors=True)
    write_to(folder.dlt)
    dlt.config["normalize.parquet_normalizer.add_dlt_load_id"] = True
    dlt.config["load.workers"] = 1  # a table at a time: each needs most of the memory limit
    pipeline = dlt.pipeline(
        "contacts_elt",
        pipelines_dir=str(folder.dlt),
        destination=dlt.destinations.duckdb(
            str(folder.warehouse), preferred_loader_file_format="parquet"
        ),
        dataset_name=settings.RAW,
    )
    with folder.connect():
        pipeline.sync_destination()
    state.bind(pipeline, base_url, rebind)
    return pipeline


@contextmanager
def connection(base_url: str) -> Iterator[dict[str, Any]]:
    """Yield the source's arguments for an API: for the sandbox, those of a server for this run."""
    if base_url != settings.SANDBOX:
        yield {}  # dlt injects what the user configured
        return
    with sandbox_server() as api:
        yield {"base_url": api.url, "api_key": API_KEY, "first_page": 0, "end_of_list": "empty"}


def _load(reading: Reading, held: DuckDBPyConnection, report: RunReport) -> None:
    """Load what was read, and report it."""
    report.load_id = reading.load_ids[0]
    report.mode = "full" if reading.missing else "incremental"
    for name, count in reading.counts.items():
        if count.requests:
            compare = partial(warehouse.compare, held, name, reading.files)
            changes = spaciously(held, compare)
            report.tables[name] = TableReport(
                rows_read=count.rows_read,
                rows_new=changes.new,
                rows_changed=changes.changed,
                rows_rejected=warehouse.rejected(held, name, reading.files),
                rows_removed=0,
                requests=count.requests,
            )
    spaciously(held, reading.pipeline.load)


def _remove_missing(reading: Reading, report: RunReport, started_at: datetime) -> None:
    """Remove what full reads did not list, and finish them."""
    removed = warehouse.remove_unlisted(reading.pipeline, reading.load_ids, reading.missing)
    for name, rows in removed.items():
        report.tables[name].rows_removed = rows
    state.finish_full_reads(reading.pipeline, reading.missing, started_at)


def _publish(folder: Folder, report: RunReport, progress: Progress) -> None:
    """Publish what passed its tests, and report what readers see."""
    progress.stage("publishing")
    if report.build.failures:
        with suppress(EltError):  # what failed is more to tell
            report.published = published(folder)
        return
    with report.timed("publish"):
        report.published = publish(folder)


def _note(pipeline: dlt.Pipeline, report: RunReport, started_at: datetime) -> None:
    """Append the run to `raw.elt_runs`. Its end is that of the load: the models read the table."""
    row: dict[str, Any] = {
        "load_id": report.load_id,
        "mode": report.mode,
        "started_at": started_at.replace(tzinfo=None),
        "finished_at": datetime.now(UTC).replace(tzinfo=None),
    }
    for name, table in report.tables.items():
        row |= {f"{name}_{count}": getattr(table, count) for count in settings.COUNTS}
    pipeline.run([row], table_name="elt_runs", columns=settings.RUN_COLUMNS)
