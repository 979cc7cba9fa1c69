"""Plain dlt: the declarative REST source as dlt's documentation has it, and dlt's own dbt runner.

The rows are merged by key and go where they belong without a step of ours; nested values stay JSON
(`max_table_nesting=0`), as in contacts-elt and the floor. `GET leads/list -> plain.leads`,
`GET users/list -> plain.users`.

`python -m benchmarks.plain_dlt WAREHOUSE STATE [--format parquet] [--dbt PROJECT]`
"""

import argparse
import os
import sys
from pathlib import Path

import dlt
from dlt.common.runners import Venv
from dlt.extract import DltResource
from dlt.sources.rest_api import RESTAPIConfig, rest_api_source
from dlt.sources.rest_api.typing import EndpointResource

KEYS = {"leads": ["crmhero_user_id"], "users": ["user_id", "email"]}


def config(base_url: str, api_key: str) -> RESTAPIConfig:
    """Return the declaration of both lists."""
    resources: list[str | EndpointResource | DltResource] = [
        {
            "name": name,
            "primary_key": key,
            "endpoint": {"path": f"{name}/list", "data_selector": f"data.{name}"},
        }
        for name, key in KEYS.items()
    ]
    return {
        "client": {
            "base_url": base_url,
            "auth": {"type": "bearer", "token": api_key},
            "paginator": {"type": "page_number", "base_page": 0, "total_path": None},
        },
        "resource_defaults": {
            "write_disposition": "merge",
            "endpoint": {
                "params": {"sort": "last_update", "sort_direction": "desc", "per_page": 50},
                "incremental": {
                    "cursor_path": "last_update",
                    "initial_value": "1970-01-01 00:00:00",
                    "row_order": "desc",
                },
            },
        },
        "resources": resources,
    }


def transform(pipeline: dlt.Pipeline, project: Path) -> None:
    """Run and test a dbt project the way dlt's documentation has it, without its unit tests."""
    # the interpreter that runs this, not the first one on the PATH
    venv = Venv.restore(sys.prefix, current=True)
    package = dlt.dbt.package(pipeline, str(project), venv=venv)
    # dlt's own profile would download DuckDB extensions
    package.config.package_profiles_dir = str(project)
    package.run_all()
    package.test(["--exclude-resource-type", "unit_test"])


def main() -> None:
    """Load both lists, and build models if asked to."""
    parser = argparse.ArgumentParser(description="Load both lists into a DuckDB file with dlt.")
    parser.add_argument("warehouse", type=Path)
    parser.add_argument("state", type=Path, help="folder of dlt's working state")
    parser.add_argument("--format", help="of load files (default: dlt's)")
    parser.add_argument("--dbt", type=Path, help="a dbt project to run and test afterwards")
    options = parser.parse_args()
    source = rest_api_source(
        config(
            os.environ["SOURCES__ANALYTICS_API__BASE_URL"],
            os.environ["SOURCES__ANALYTICS_API__API_KEY"],
        ),
        max_table_nesting=0,
    )
    pipeline = dlt.pipeline(
        "plain",
        pipelines_dir=str(options.state),
        destination=dlt.destinations.duckdb(str(options.warehouse)),
        dataset_name="plain",
    )
    if options.format:
        pipeline.run(source, loader_file_format=options.format)
    else:
        pipeline.run(source)
    if options.dbt:
        transform(pipeline, options.dbt)


if __name__ == "__main__":
    main()
