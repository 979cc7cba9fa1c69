"""Commands of dbt that are run manually on the last run's warehouse: tests, freshness, docs."""

import os
import re
from pathlib import Path

import duckdb

from extract import settings
from tests.support.builders import Load, lead, user
from tests.support.dbt import Dbt, results
from tests.support.elt import Elt


def test_unit_tests_and_data_tests_pass_on_the_last_run(
    sandbox_copy: Path, dbt: Dbt, project: Path
) -> None:
    ended = dbt("test")
    assert ended.exit_code == 0, ended.stdout
    assert "deprecat" not in ended.stdout.lower()
    tests = results(project / "target").values()
    assert {test["status"] for test in tests} == {"pass"}
    kinds = [test["unique_id"].split(".")[0] for test in tests]
    assert kinds.count("unit_test") > 60
    assert kinds.count("test") > 80


def test_a_resource_that_no_run_has_synced_for_days_is_stale_and_the_other_is_fresh(
    loaded: Load, elt: Elt, data_dir: Path, dbt: Dbt
) -> None:
    loaded([lead(1)], [user("a", 2)])
    for synced, stale in (("users", "leads"), ("leads", "users")):
        with duckdb.connect(str(data_dir / "warehouse.duckdb")) as warehouse:
            warehouse.execute(
                "update raw._dlt_loads set inserted_at = inserted_at - interval 3 days"
            )
        assert elt("run", "--resources", synced).exit_code == 0
        output = dbt("source", "freshness").stdout
        assert f"WARN freshness of analytics_api.{stale}" in output
        assert f"PASS freshness of analytics_api.{synced}" in output


def test_the_documentation_has_models_tests_and_exposures_and_no_value_of_a_person(
    sandbox_copy: Path, dbt: Dbt, project: Path
) -> None:
    ended = dbt("docs", "generate", "--static")
    assert ended.exit_code == 0, ended.stdout
    page = (project / "target" / "static_index.html").read_text()
    for part in (
        "model.contacts.dim_contacts",
        "test.contacts.unique_dim_contacts_contact_id",
        "exposure.contacts.dashboard",
        "exposure.contacts.published_marts",
        "One row per contact that the API lists",
    ):
        assert part in page
    with duckdb.connect(str(sandbox_copy / "contacts.duckdb"), read_only=True) as contacts:
        rows = contacts.sql("select email, full_name, username from dim_contacts").fetchall()
    values = {value for row in rows for value in row if value}
    assert len(values) > 1000
    words = set(re.findall(r"\w+", page))  # a search of the page for each value takes seconds
    suspects = [value for value in values if words.issuperset(re.findall(r"\w+", value))]
    assert [value for value in suspects if value in page] == []
    assert os.environ["SOURCES__ANALYTICS_API__API_KEY"] not in page
    assert str(settings.ROOT) not in page
    assert str(project) not in page
