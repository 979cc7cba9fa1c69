"""dbt's documentation as one page: what is in it, and what is not."""

import os
import subprocess
import sys
from pathlib import Path

import duckdb

from extract import settings


def test_the_page_has_models_tests_and_exposures_and_no_value_of_a_person(
    sandbox_folder: Path, tmp_path: Path
) -> None:
    environment = os.environ | {
        "DLT__CREDENTIALS__DATABASE": str(sandbox_folder / "warehouse.duckdb"),
        "DBT_TARGET_PATH": str(tmp_path),
        "DBT_LOG_PATH": str(tmp_path),
    }
    command = [f"{Path(sys.executable).parent}/dbt", "--quiet", "docs", "generate", "--static"]
    subprocess.run(command, cwd=settings.ROOT / "transform", env=environment, check=True)
    page = (tmp_path / "static_index.html").read_text()
    for part in (
        "model.contacts.dim_contacts",
        "test.contacts.unique_dim_contacts_contact_id",
        "exposure.contacts.dashboard",
        "exposure.contacts.published_marts",
        "One row per contact that the API lists",
    ):
        assert part in page
    with duckdb.connect(str(sandbox_folder / "contacts.duckdb"), read_only=True) as contacts:
        rows = contacts.sql("select email, full_name, username from dim_contacts").fetchall()
    assert rows
    assert [value for row in rows for value in row if value and value in page] == []
    assert os.environ["SOURCES__ANALYTICS_API__API_KEY"] not in page
    assert str(settings.ROOT) not in page
