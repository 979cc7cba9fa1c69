"""The metrics of the semantic models on the sandbox, compared with SQL of these tests.

MetricFlow writes the metric's SQL, and DuckDB runs it. Its command `mf` is not used: it asks the
internet for a newer version of itself whenever it starts.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import duckdb
import pytest
from metricflow.engine.metricflow_engine import MetricFlowEngine, MetricFlowQueryRequest
from metricflow.protocols.sql_client import SqlClient, SqlEngine
from metricflow.sql.render.duckdb_renderer import DuckDbSqlPlanRenderer
from metricflow.validation.data_warehouse_model_validator import DataWarehouseModelValidator
from metricflow_semantic_interfaces.implementations.semantic_manifest import (
    PydanticSemanticManifest,
)
from metricflow_semantic_interfaces.validations.semantic_manifest_validator import (
    SemanticManifestValidator,
)
from metricflow_semantics.model.dbt_manifest_parser import (
    parse_manifest_from_dbt_generated_manifest,
)
from metricflow_semantics.model.semantic_manifest_lookup import SemanticManifestLookup

# the rows that a metric is about, its value, its time
EXPECTED = {
    "contacts": ("from marts.dim_contacts", "count(*)", "first_contact_at"),
    "new_leads": ("from marts.dim_leads", "count(*)", "first_contact_at"),
    "conversions": ("from marts.fct_lead_conversions", "count(*)", "converted_at"),
    "conversion_rate": (
        "from marts.dim_leads",
        "count(*) filter (is_converted) / count(*)",
        "first_contact_at",
    ),
    "active_users": ("from marts.dim_users", "count(*) filter (is_active)", "signed_up_at"),
    "nps": (
        "from marts.dim_users where nps_vote is not null",
        "100 * (count(*) filter (nps_category = 'promoter')"
        " - count(*) filter (nps_category = 'detractor')) / count(*)",
        "nps_voted_at",
    ),
}


class Marts:
    """What MetricFlow needs of a database: its dialect, and whether a query would run."""

    sql_engine_type = SqlEngine.DUCKDB
    sql_plan_renderer = DuckDbSqlPlanRenderer()

    def __init__(self, warehouse: duckdb.DuckDBPyConnection) -> None:
        self.warehouse = warehouse

    def dry_run(self, stmt: str, sql_bind_parameter_set: object) -> None:
        """Raise an error if the statement would."""
        self.warehouse.execute(f"explain {stmt}")


class Metrics:
    """MetricFlow on the semantic models of a dbt build, and on the marts that it built."""

    def __init__(self, manifest: Path, warehouse: duckdb.DuckDBPyConnection) -> None:
        self.warehouse = warehouse
        self.manifest = parse_manifest_from_dbt_generated_manifest(manifest.read_text())
        self.client = cast(SqlClient, Marts(warehouse))
        self.engine = MetricFlowEngine(SemanticManifestLookup(self.manifest), self.client)

    def ask(self, *metrics: str, by: str | None = None, where: str | None = None) -> list[Any]:
        """Return rows of the group, if any, and the metrics in the order of their names."""
        request = MetricFlowQueryRequest.create(
            metric_names=metrics,
            group_by_names=[by] if by else None,
            where_constraints=[where] if where else None,
        )
        sql = self.engine.explain(request).sql_statement.sql
        columns = ", ".join([*([by] if by else []), *sorted(metrics)])
        return self.warehouse.sql(f"select {columns} from ({sql})").fetchall()


@pytest.fixture
def metrics(sandbox_folder: Path) -> Iterator[Metrics]:
    path = str(sandbox_folder / "warehouse.duckdb")
    with duckdb.connect(path, read_only=True) as warehouse:
        yield Metrics(sandbox_folder / "dbt" / "semantic_manifest.json", warehouse)


def test_semantic_models_are_valid_and_name_columns_that_exist(metrics: Metrics) -> None:
    columns = DataWarehouseModelValidator(metrics.client)
    for validate in (
        SemanticManifestValidator[PydanticSemanticManifest]().validate_semantic_manifest,
        columns.validate_dimensions,
        columns.validate_entities,
        columns.validate_metrics,
    ):
        assert [issue.message for issue in validate(metrics.manifest).all_issues] == []


def test_every_metric_is_compared_with_sql(metrics: Metrics) -> None:
    assert {metric.name for metric in metrics.manifest.metrics} == set(EXPECTED)


@pytest.mark.parametrize("metric", EXPECTED)
def test_a_metric_is_what_sql_computes(metrics: Metrics, metric: str) -> None:
    rows, value, time = EXPECTED[metric]

    def expected(group: str) -> dict[Any, Any]:
        sql = f"select {group}, {value} from (select * {rows}) as counted group by all"
        return dict(metrics.warehouse.sql(sql).fetchall())

    assert metrics.ask(metric) == [(pytest.approx(expected("'all'")["all"]),)]

    by_month = expected(f"date_trunc('month', {time})")
    assert len(by_month) > 3
    assert dict(metrics.ask(metric, by="metric_time__month")) == pytest.approx(by_month)

    source = "select utm_source from marts.dim_contacts where contact_id = counted.contact_id"
    by_source = expected(f"({source})")
    assert len(by_source) > 3
    assert dict(metrics.ask(metric, by="contact__utm_source")) == pytest.approx(by_source)


def test_without_contacts_there_is_no_rate_and_no_score(metrics: Metrics) -> None:
    nobody = "{{ Dimension('contact__country_code') }} = 'nowhere'"
    (values,) = metrics.ask(*EXPECTED, where=nobody)
    assert dict(zip(sorted(EXPECTED), values, strict=True)) == {
        "contacts": 0,
        "new_leads": 0,
        "conversions": 0,
        "conversion_rate": None,
        "active_users": 0,
        "nps": None,
    }
