"""contacts-elt as it is shipped: `elt run --json`, or only its stages extract and load.

`python -m tests.benchmark.product LINK [--load-only]`; where is told by the settings, the link that
dbt by hand follows is made at LINK.
"""

import argparse
import contextlib
import sys
from pathlib import Path
from unittest.mock import patch

from extract import dbt_build, folder, pipeline
from extract.__main__ import main as elt


def main() -> int:
    """Run contacts-elt once."""
    parser = argparse.ArgumentParser(description="Run contacts-elt.")
    parser.add_argument("link", type=Path)
    parser.add_argument("--load-only", action="store_true")
    options = parser.parse_args()
    with contextlib.ExitStack() as stack:
        stack.enter_context(patch.object(folder, "LAST_RUN", options.link))
        if options.load_only:
            built = dbt_build.BuildResult()
            stack.enter_context(patch.object(dbt_build, "build", lambda *_: built))
            stack.enter_context(patch.object(pipeline, "publish", lambda *_: None))
        return elt(["run", "--json"])


if __name__ == "__main__":
    sys.exit(main())
