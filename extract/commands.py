"""What the subcommands of `elt` do and print. Each returns an exit code."""

import argparse
import json
import sys
import threading
from collections.abc import Iterator
from datetime import datetime
from importlib.metadata import version

from extract.check_plan import Finding
from extract.engines import Engine, File, engine_of, engine_type
from extract.errors import EXIT_FAILED, EltError
from extract.failures import plain_error
from extract.folder import folder_for
from extract.forget import erase
from extract.pipeline import configured_base_url, connection, open_pipeline, test_and_publish
from extract.pipeline import run as run_pipeline
from extract.reading import Limits
from extract.report import RunReport
from extract.sandbox import API_KEY, sandbox_server
from extract.source import check_api
from publish.export import write_csv
from publish.publication import draw_dashboard, keep_versions


def run(options: argparse.Namespace) -> int:
    """Run the pipeline once and print its summary."""
    report = run_pipeline(
        options.resources, options.full_refresh, options.rebind, options.allow_shrink
    )
    return _tell(report, options.json)


def publish(options: argparse.Namespace) -> int:
    """Test what is built, publish it, and print a summary."""
    return _tell(test_and_publish(), options.json)


def rollback(options: argparse.Namespace) -> int:
    """Publish the version before the current one again."""
    engine = _engine()
    with engine.locked():
        shown = engine.roll_back()
    print(f"published: {shown.path}, version {shown.version} again, published {shown.age} ago")
    print("The next run that passes its tests publishes a new version.")
    return 0


def export(options: argparse.Namespace) -> int:
    """Print a published mart as CSV."""
    write_csv(_file().folder, options.mart)
    return 0


def dashboard(options: argparse.Namespace) -> int:
    """Draw the dashboard of what is published."""
    engine = _file()
    with engine.locked():
        print(f"dashboard: {draw_dashboard(engine.folder)}")
    return 0


def check(options: argparse.Namespace) -> int:
    """Try what a run needs, and say what is wrong and how to mend it."""
    exit_code = 0
    for name, attempt in (
        ("versions", _versions),
        ("settings", _settings),
        ("warehouse", _warehouse),
        ("API and key", _api),
    ):
        try:
            for state, finding in attempt():
                print(f"{state:<8}{finding}")
                exit_code = max(exit_code, EXIT_FAILED if state == "failed" else 0)
        except Exception as failure:
            error = plain_error(failure)
            exit_code = max(exit_code, error.exit_code)
            print(f"failed  {name}: {error}")
    return exit_code


def forget(options: argparse.Namespace) -> int:
    """Erase one person from the warehouse and say what was erased."""
    engine = _file()
    with engine.locked():
        erased = erase(engine.folder, options.contact_id, options.yes)
    print(f"{'erased from':<40}{'rows':>9}")
    for table, count in erased.rows.items():
        print(f"{table:<40}{count:>9}")
    print(f"ids of this person: {', '.join(erased.ids)}")
    print("Marts without a contact's id are empty now; the next run fills them.")
    print("Delete the contact at the API, too: a later run reads again what the API still lists.")
    print("Other copies are out of reach: backups, exports, logs of schedulers and of dbt by hand.")
    return 0


def sandbox(options: argparse.Namespace) -> int:
    """Serve the bundled API until the process is interrupted."""
    try:
        api = sandbox_server(options.port)
    except OSError as error:
        raise EltError(f"Cannot serve on port {options.port}: {error.strerror}.") from error
    with api:
        print(f"The sandbox API is at {api.url}, its key is {API_KEY}. Ctrl-C ends it. Try:")
        print(f"  curl -H 'Authorization: Bearer {API_KEY}' '{api.url}leads/list?per_page=2'")
        sys.stdout.flush()
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            return 0
    return 0


def _engine() -> Engine:
    """Return the engine of the configured warehouse."""
    return engine_of(folder_for(configured_base_url()))


def _file() -> File:
    """Return the engine of the configured warehouse, for what works on files only.

    Raises:
        EltError: it is another.
    """
    engine = _engine()
    if not isinstance(engine, File):
        raise EltError(
            "This command works on the files that [elt] destination = 'duckdb' has. For "
            f"{engine.name!r}, docs/engines.md says what to do."
        )
    return engine


def _tell(report: RunReport, as_json: bool) -> int:
    """Print what was done, and return the exit code."""
    failures = report.build.failures
    exit_code = EXIT_FAILED if failures or report.problems else 0
    if as_json:
        status = "failed" if exit_code else "ok"
        summary = {"status": status, "exit_code": exit_code, **report.as_dict()}
        print(json.dumps(summary, default=datetime.isoformat))
    else:
        print("\n".join(report.lines()))
    for problem in report.problems:
        print(f"elt: {problem}", file=sys.stderr)
    if failures:
        print(f"elt: {_told(report)}", file=sys.stderr)
    return exit_code


def _told(report: RunReport) -> str:
    """Say what failed, how to see the rows, and what readers have."""
    engine, shown = _engine(), report.published
    failed = f"models or tests failed: {', '.join(report.build.failures)}"
    found = f"To see what a test found: {engine.look}."
    if not engine.publishes:
        return f"{failed}. {found} Readers see marts that may be half new."
    stands = "Nothing was published before."
    if shown:
        as_of = f"of {shown.data_as_of:%Y-%m-%d %H:%M} UTC" if shown.data_as_of else "of one list"
        stands = (
            f"Readers still see version {shown.version}, published {shown.age} ago with the data "
            f"{as_of}."
        )
    return (
        f"nothing was published, as {failed}. The rows in {report.warehouse} are new, its marts "
        f"may be half new. {found} {stands}"
    )


def _versions() -> Iterator[Finding]:
    packages = ("contacts-elt", "dlt", "dbt-core", f"dbt-{engine_type().adapter}", "duckdb")
    python = ".".join(map(str, sys.version_info[:3]))
    found = [f"Python {python}", *(f"{name} {version(name)}" for name in packages)]
    yield "ok", f"versions: {', '.join(found)}"


def _settings() -> Iterator[Finding]:
    Limits.configured()
    keep_versions()
    yield "ok", f"settings: {configured_base_url()}"


def _warehouse() -> Iterator[Finding]:
    engine = _engine()
    with engine.locked():
        pipeline = open_pipeline(engine, configured_base_url())
        loaded = engine.check(pipeline)
    yield "ok", f"warehouse: {engine.where} is writable{'' if loaded else ', nothing loaded yet'}"


def _api() -> Iterator[Finding]:
    base_url = configured_base_url()
    with connection(base_url) as arguments:
        checks = check_api(arguments)
    yield "ok", f"API and key: {base_url} accepted the key and sent a page of each list"
    for name, check in checks.items():
        for state, finding in check.findings():
            yield state, f"{name}: {finding}"
