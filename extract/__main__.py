"""The command `elt`, also `python -m extract`: arguments, answers and exit codes, nothing else."""

import argparse
import io
import json
import sys
import traceback
from collections.abc import Sequence

from extract import settings

EPILOG = """exit codes:
  0  fine
  1  the pipeline or its tests failed
  2  wrong configuration, or the API refused the key
  3  another run is active
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # a path may contain a character that the encoding of a terminal or scheduler lacks
            stream.reconfigure(errors="backslashreplace")
    options = _parser().parse_args(arguments)
    # dlt takes seconds to import, which --help need not wait for
    from extract.errors import EltError
    from extract.failures import plain_error
    from extract.masking import without_passwords
    from extract.project import use_project

    try:
        use_project()
        from extract import commands

        exit_code: int = getattr(commands, options.command)(options)
        return exit_code
    except KeyboardInterrupt:
        error: EltError = EltError("Interrupted. The next run continues from the last good state.")
    except Exception as failure:
        if options.debug:
            print(without_passwords(traceback.format_exc()), file=sys.stderr)
        error = plain_error(failure)
    if getattr(options, "json", False):
        print(json.dumps({"status": "failed", "error": str(error), "exit_code": error.exit_code}))
    print(f"elt: {error}", file=sys.stderr)
    return error.exit_code


def _parser() -> argparse.ArgumentParser:
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--debug", action="store_true", help="show the traceback of a failure")
    parser = argparse.ArgumentParser(
        prog="elt",
        description="Leads and users from a REST API into tested DuckDB marts.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser(
        "run", parents=[common], help="extract, load, build, test and publish what changed"
    )
    run.add_argument(
        "--resources",
        nargs="+",
        choices=tuple(settings.ENDPOINTS),
        default=[],
        help="read these lists only (default: both)",
    )
    run.add_argument(
        "--full-refresh",
        action="store_true",
        help="read the lists whole and rebuild the models",
    )
    run.add_argument(
        "--allow-shrink",
        action="store_true",
        help="read the lists whole and remove what they list no more, however much that is",
    )
    run.add_argument(
        "--rebind",
        action="store_true",
        help="accept that base_url is not the one the warehouse was loaded from",
    )
    run.add_argument("--json", action="store_true", help="print the summary as one JSON object")
    publish = commands.add_parser(
        "publish", parents=[common], help="test what is built, and publish it"
    )
    publish.add_argument("--json", action="store_true", help="print the summary as one JSON object")
    commands.add_parser(
        "rollback", parents=[common], help="publish the version before the current one again"
    )
    commands.add_parser(
        "dashboard", parents=[common], help="draw the dashboard of what is published"
    )
    export = commands.add_parser(
        "export", parents=[common], help="print a published mart as CSV, for spreadsheets"
    )
    export.add_argument("mart", help="such as dim_contacts")
    commands.add_parser(
        "check", parents=[common], help="try settings, key, API, warehouse and versions"
    )
    forget = commands.add_parser(
        "forget", parents=[common], help="erase one person from all that was written"
    )
    forget.add_argument(
        "contact_id", help="as marts show it: 417, or user:a1b2 for a user without a number"
    )
    forget.add_argument(
        "--yes",
        action="store_true",
        help="all contacts that a user id connects with this one are the person, too",
    )
    sandbox = commands.add_parser(
        "sandbox", parents=[common], help="serve the bundled API until Ctrl-C"
    )
    sandbox.add_argument("--port", type=int, default=8765, help="loopback port (default: 8765)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
