"""One run: extract and load the lists, then build and test the models.

The warehouse is the only truth. A run starts with an empty working folder and restores dlt's state
(cursors, schema, the API it is bound to) from the warehouse; what an earlier run left unfinished is
thrown away and read again, which merges make safe.
"""

import shutil
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import dlt

from extract import dbt_build, settings, warehouse
from extract.client import api_root
from extract.folder import Folder, folder_for
from extract.project import write_to
from extract.report import Progress, RunReport, TableReport
from extract.rows import ListCounts
from extract.sandbox import API_KEY, sandbox_server
from extract.source import analytics_api, empty_table


def run(
    resources: Sequence[str] = (),
    full_refresh: bool = False,
    rebind: bool = False,
) -> RunReport:
    """Run the pipeline once.

    Args:
        resources: the lists to read, `leads` or `users`; both by default.
        full_refresh: read the lists whole, remove what they list no more, rebuild the models.
        rebind: accept that `base_url` is not the one that the warehouse was loaded from.

    Returns:
        What was done. Failed models and tests are in its `build`; the rows are loaded all the same.

    Raises:
        EltError: the run failed before the models; nothing was loaded, or all of it.
    """
    base_url = configured_base_url()
    folder = folder_for(base_url)
    folder.create()
    with folder.locked():
        report = RunReport(str(folder.warehouse))
        pipeline = open_pipeline(folder)
        names = list(resources) or list(settings.ENDPOINTS)
        warehouse.bind(pipeline, base_url, rebind)
        if full_refresh:
            warehouse.forget_cursors(pipeline, names)
        if not all(warehouse.has_cursor(pipeline, name) for name in names):
            report.mode = "full"
        with Progress() as progress:
            started_at = datetime.now(UTC)
            with report.timed("extract"):
                counts = _extract(pipeline, base_url, names, progress)
            progress.stage("loading")
            with report.timed("load"):
                _load(pipeline, folder, counts, full_refresh, report)
                _note(pipeline, report, started_at)
            folder.become_last_run()
            progress.stage("building and testing the models")
            with report.timed("transform"):
                report.build = dbt_build.build(pipeline, folder, full_refresh)
        shutil.rmtree(folder.dlt)
    return report


def configured_base_url() -> str:
    """Return `base_url` as one spelling of one API, or "sandbox"."""
    base_url = str(dlt.config[f"sources.{settings.SECTION}.base_url"])
    return base_url if base_url == settings.SANDBOX else api_root(base_url)


def open_pipeline(folder: Folder) -> dlt.Pipeline:
    """Return the dlt pipeline of a warehouse, with its state restored from there."""
    shutil.rmtree(folder.dlt, ignore_errors=True)
    write_to(folder.dlt)
    pipeline = dlt.pipeline(
        "contacts_elt",
        pipelines_dir=str(folder.dlt),
        destination=dlt.destinations.duckdb(
            str(folder.warehouse), preferred_loader_file_format="parquet"
        ),
        dataset_name=settings.RAW,
    )
    pipeline.sync_destination()
    return pipeline


@contextmanager
def connection(base_url: str) -> Iterator[dict[str, Any]]:
    """Yield the source's arguments for an API: for the sandbox, those of a server for this run."""
    if base_url != settings.SANDBOX:
        yield {}  # dlt injects what the user configured
        return
    with sandbox_server() as api:
        yield {"base_url": api.url, "api_key": API_KEY, "first_page": 0, "end_of_list": "empty"}


def _extract(
    pipeline: dlt.Pipeline, base_url: str, names: Sequence[str], progress: Progress
) -> dict[str, ListCounts]:
    """Read the lists into one load package, and return what was read of each."""
    counts: dict[str, ListCounts] = {}
    with connection(base_url) as arguments:
        source = analytics_api(**arguments, counts=counts)
        for name in set(settings.ENDPOINTS) - set(names):
            source.resources[name] = empty_table(name)
            del counts[name]
        progress.watch(counts)
        pipeline.extract(source)
    return counts


def _load(
    pipeline: dlt.Pipeline,
    folder: Folder,
    counts: dict[str, ListCounts],
    full_refresh: bool,
    report: RunReport,
) -> None:
    """Load the package, remove what a full refresh did not see, and report it all."""
    pipeline.normalize()
    (load_id,) = pipeline.list_normalized_load_packages()
    files = _parquet_files(pipeline, load_id)
    changes = {name: warehouse.compare(folder.warehouse, name, files[name]) for name in counts}
    pipeline.load()
    removed = warehouse.remove_unlisted(pipeline, load_id, counts) if full_refresh else {}
    report.load_id = load_id
    for name, count in counts.items():
        report.tables[name] = TableReport(
            rows_read=count.rows_read,
            rows_new=changes[name].new,
            rows_changed=changes[name].changed,
            rows_rejected=count.rows_rejected,
            rows_removed=removed.get(name, 0),
            requests=count.requests,
        )


def _parquet_files(pipeline: dlt.Pipeline, load_id: str) -> dict[str, list[str]]:
    """Return the load package's files by table."""
    files = defaultdict(list)
    for job in pipeline.get_load_package_info(load_id).jobs["new_jobs"]:
        files[job.job_file_info.table_name].append(job.file_path)
    return files


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
