"""One run: extract and load the lists, build and test the models, publish the marts.

The warehouse is the only truth. A run starts with an empty working folder and restores dlt's state
(cursors, schema, the API it is bound to, full syncs) from the warehouse; what an earlier run left
unfinished is thrown away and read again, which merges make safe.
"""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from typing import Any

import dlt

from extract import dbt_build, settings, state, warehouse
from extract.batches import ListCounts
from extract.client import api_root
from extract.engines import Engine, engine_of
from extract.errors import EltError, IncompleteError, ShrinkError
from extract.folder import folder_for
from extract.memory import spaciously
from extract.project import write_to
from extract.reading import Limits, Reading, shrinkage
from extract.report import Progress, RunReport, TableReport
from extract.sandbox import API_KEY, sandbox_server
from extract.warehouse import Warehouse
from publish.publication import keep_versions


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
        rebind: accept that `base_url`, or the rows' `app_id`, is not the one that the warehouse was
            loaded from.
        allow_shrink: read the lists whole, remove what they list no more, however much that is.

    Returns:
        What was done. Failed models and tests are in its `build`: the rows are loaded all the same,
        and nothing is published.

    Raises:
        ShrinkError: what was read is merged, nothing is removed, the models are as they were.
        IncompleteError: the same; the API has not listed all that it lists.
        EltError: the run failed before its models were built, or could not publish. What it had
            loaded by then is no more than the next run reads again.
    """
    base_url = configured_base_url()
    limits = Limits.configured()
    keep_versions()  # is told before anything is read, too, if it cannot work
    names = frozenset(resources or settings.ENDPOINTS)
    whole = names if full_refresh or allow_shrink else frozenset()
    folder = folder_for(base_url)
    engine = engine_of(folder)
    with engine.locked(), Progress() as progress:
        report = RunReport(engine.where)
        started_at = datetime.now(UTC)
        counts = {name: ListCounts() for name in settings.ENDPOINTS}
        progress.watch(counts)
        with report.timed("extract"), connection(base_url) as api:
            opening = partial(open_pipeline, engine, base_url, rebind)
            reading = Reading(engine, opening, api, counts, rebind)
            reading.read(names, whole, limits.full_read_days)
        shrunk = "" if allow_shrink else shrinkage(reading, limits.max_shrink)
        progress.stage("loading")
        with report.timed("load"), engine.opened(reading.pipeline, settings.LIMITS) as opened:
            engine.check_lock()
            _load(reading, opened, report)
            engine.check_lock()
            if shrunk:
                # cursors may be another project's
                state.begin_full_reads(reading.pipeline, settings.ENDPOINTS, reading.rows_held)
            else:
                _remove_missing(engine, reading, report, started_at)
            _note(reading, report, started_at, is_whole=not shrunk)
        if shrunk:
            raise ShrinkError(shrunk)
        report.warnings, report.problems = reading.warnings(), reading.problems()
        if not reading.is_up_to_date:
            raise IncompleteError(" ".join(report.problems))
        folder.become_last_run()
        progress.stage("building and testing the models")
        with report.timed("transform"):
            with engine.reserved():
                pass  # nobody else has it open
            report.build = dbt_build.build(reading.pipeline, engine, full_refresh)
        _publish(engine, reading.pipeline, report, progress)
        shutil.rmtree(folder.dlt)
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
    engine = engine_of(folder)
    with engine.locked(), Progress() as progress:
        report = RunReport(engine.where)
        if not engine.exists():
            raise EltError(f"There is no warehouse at {engine.where} yet: elt run makes it.")
        pipeline = open_pipeline(engine, base_url)
        progress.stage("testing the models")
        with report.timed("transform"):
            report.build = dbt_build.test(pipeline, engine)
        _publish(engine, pipeline, report, progress)
        shutil.rmtree(folder.dlt)
    return report


def configured_base_url() -> str:
    """Return `base_url` as one spelling of one API, or "sandbox"."""
    base_url = str(dlt.config[f"sources.{settings.SECTION}.base_url"])
    return base_url if base_url == settings.SANDBOX else api_root(base_url)


def open_pipeline(engine: Engine, base_url: str, rebind: bool = False) -> dlt.Pipeline:
    """Return the dlt pipeline of a warehouse, with its state restored from there.

    Raises:
        SettingsError: the warehouse belongs to another API.
    """
    folder = engine.folder
    shutil.rmtree(folder.dlt, ignore_errors=True)
    write_to(folder.dlt)
    dlt.config["normalize.parquet_normalizer.add_dlt_load_id"] = True
    dlt.config["load.workers"] = 1  # a table at a time: each needs most of the memory limit
    pipeline = dlt.pipeline(
        "contacts_elt",
        pipelines_dir=str(folder.dlt),
        destination=engine.destination(),
        dataset_name=settings.RAW,
    )
    with engine.reserved():
        pipeline.sync_destination()
    state.bind(pipeline, base_url, rebind, engine.elsewhere)
    return pipeline


@contextmanager
def connection(base_url: str) -> Iterator[dict[str, Any]]:
    """Yield the source's arguments for an API: for the sandbox, those of a server for this run."""
    if base_url != settings.SANDBOX:
        yield {}  # dlt injects what the user configured
        return
    with sandbox_server() as api:
        yield {"base_url": api.url, "api_key": API_KEY, "first_page": 0, "end_of_list": "empty"}


def _load(reading: Reading, opened: Warehouse, report: RunReport) -> None:
    """Load what was read, and report it."""
    report.load_id = reading.load_ids[0]
    report.mode = "full" if reading.missing else "incremental"
    for name, count in reading.counts.items():
        if count.requests:
            compare = partial(opened.compare, name, reading.files)
            changes = spaciously(opened.connection, compare)
            report.tables[name] = TableReport(
                rows_read=count.rows_read,
                rows_new=changes.new,
                rows_changed=changes.changed,
                rows_rejected=warehouse.rejected(opened.connection, name, reading.files),
                rows_removed=0,
                requests=count.requests,
                undecodable_rows=count.undecodable_rows,
            )
    spaciously(opened.connection, reading.pipeline.load)


def _remove_missing(
    engine: Engine, reading: Reading, report: RunReport, started_at: datetime
) -> None:
    """Remove what full syncs did not list, and finish them."""
    if engine.is_append_only:  # the note of this run tells that they are gone
        removed = {name: missing.rows for name, missing in reading.missing.items()}
    else:
        removed = warehouse.remove_unlisted(reading.pipeline, reading.load_ids, reading.missing)
    for name, rows in removed.items():
        report.tables[name].rows_removed = rows
    state.finish_full_reads(reading.pipeline, reading.missing, started_at)
    state.postpone_full_reads(reading.pipeline, reading.postponed)


def _publish(engine: Engine, pipeline: dlt.Pipeline, report: RunReport, progress: Progress) -> None:
    """Publish what passed its tests, and report what readers see."""
    progress.stage("publishing")
    if report.build.failures:
        with suppress(Exception):  # what failed is more to tell
            report.published = engine.published(pipeline)
        return
    engine.check_lock()
    with report.timed("publish"):
        report.published = engine.publish(pipeline)


def _note(reading: Reading, report: RunReport, started_at: datetime, is_whole: bool) -> None:
    """Append the run to `raw.elt_runs`. Its end is that of the load: the models read the table.

    Args:
        reading: what was read.
        report: of the run.
        started_at: the run's start.
        is_whole: what full syncs did not list is gone.
    """
    row: dict[str, Any] = {
        "load_id": report.load_id,
        "mode": report.mode,
        "started_at": started_at.replace(tzinfo=None),
        "finished_at": datetime.now(UTC).replace(tzinfo=None),
    }
    for name, table in report.tables.items():
        row |= {f"{name}_{count}": getattr(table, count) for count in settings.COUNTS}
        row[f"{name}_is_whole"] = is_whole and name in reading.missing
    # not `run`, which would restore the state from the warehouse a second time
    reading.pipeline.extract([row], table_name="elt_runs", columns=settings.RUN_COLUMNS)
    reading.pipeline.normalize()
    reading.pipeline.load()
