"""contacts-elt as it is shipped, or only its stages extract and load.

No run draws the dashboard, which is installed for development but does not come with it; the
command `dashboard` does.

`python -m benchmarks.product {run,load,dashboard} LINK`; the settings tell from where and
whereto, and the link that dbt by hand follows is made at LINK.
"""

import argparse
import contextlib
import sys
from pathlib import Path
from unittest.mock import patch

from extract import dbt_build, folder
from extract.__main__ import main as elt
from publish import dashboard, publication


def main() -> int:
    """Run contacts-elt once."""
    parser = argparse.ArgumentParser(description="Run contacts-elt.")
    parser.add_argument("command", choices=("run", "load", "dashboard"))
    parser.add_argument("link", type=Path)
    options = parser.parse_args()
    if options.command == "dashboard":
        return elt(["dashboard"])
    with contextlib.ExitStack() as stack:
        stack.enter_context(patch.object(folder, "LAST_RUN", options.link))
        stack.enter_context(patch.object(dashboard, "is_installed", lambda: False))
        if options.command == "load":
            built = dbt_build.BuildResult()
            stack.enter_context(patch.object(dbt_build, "build", lambda *_: built))
            stack.enter_context(patch.object(publication, "publish", lambda *_: None))
        return elt(["run", "--json"])


if __name__ == "__main__":
    sys.exit(main())
