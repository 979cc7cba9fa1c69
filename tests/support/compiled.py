"""The SQL of models and data tests as dbt compiled it, run by DuckDB directly.

A build by dbt takes seconds, most of which are dbt's own; its SQL takes milliseconds. What it
computes from given rows, and which rows a data test finds, is tested so. How dbt updates the
snapshots, and in which order it builds and tests, is tested with dbt itself.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

# the columns that dbt adds to a row that a snapshot has not seen before
_FIRST_VERSION = """
    md5(contact_id) as dbt_scd_id,
    now() at time zone 'UTC' as dbt_updated_at,
    now() at time zone 'UTC' as dbt_valid_from,
    cast(null as timestamp) as dbt_valid_to,
    'False' as dbt_is_deleted
"""


@dataclass(frozen=True)
class Node:
    """A model, a snapshot or a data test."""

    name: str
    kind: str  # "view", "table", "snapshot" or "test"
    schema: str
    relation: str  # quoted, with its database and schema
    sql: str
    severity: str  # of a data test: "error" or "warn"
    parents: frozenset[str]  # unique ids


class Compiled:
    """The models, snapshots and data tests of a dbt project that was built.

    Args:
        target: the folder of dbt's artifacts of the build.
    """

    def __init__(self, target: Path) -> None:
        manifest = json.loads((target / "manifest.json").read_text())
        nodes = {
            unique_id: _node(node)
            for unique_id, node in manifest["nodes"].items()
            if node.get("compiled_code") and node["resource_type"] in ("model", "snapshot", "test")
        }
        tables = {
            unique_id: frozenset([f"{source['schema']}.{source['identifier']}"])
            for unique_id, source in manifest["sources"].items()
        }
        self.models: list[Node] = []
        self.tests: list[Node] = []
        self._read_by: dict[str, frozenset[str]] = {}  # tables, by the name of the test
        for unique_id in _in_order(nodes):
            node = nodes[unique_id]
            reads = frozenset[str]().union(*(tables[parent] for parent in node.parents))
            if node.kind == "test":
                self.tests.append(node)
                self._read_by[node.name] = reads
            else:
                self.models.append(node)
                table = frozenset([f"{node.schema}.{node.name}"])
                tables[unique_id] = reads if node.kind == "view" else table

    def build(self, warehouse: duckdb.DuckDBPyConnection) -> None:
        """Replace all models, in the order of their dependencies.

        A snapshot that is not there yet is made as the first build makes it; others are left as
        they are.
        """
        for schema in sorted({model.schema for model in self.models}):
            warehouse.execute(f"create schema if not exists {schema}")
        for model in self.models:
            if model.kind == "snapshot":
                warehouse.execute(
                    f"create table if not exists {model.relation} as "
                    f"select *, {_FIRST_VERSION} from (\n{model.sql}\n)"
                )
            else:
                warehouse.execute(f"create or replace {model.kind} {model.relation} as {model.sql}")

    def test(self, warehouse: duckdb.DuckDBPyConnection, reading: str = "") -> dict[str, str]:
        """Run data tests.

        Args:
            warehouse: an open connection.
            reading: a table as `schema.name`; only tests that read it, directly or through a view,
                are run. By default, all are.

        Returns:
            "fail" or "warn" by the name of each test that found rows.
        """
        statuses = {"error": "fail", "warn": "warn"}
        tests = [test for test in self.tests if not reading or reading in self._read_by[test.name]]
        assert tests, f"no test reads {reading}"
        return {
            test.name: statuses[test.severity]
            for test in tests
            if warehouse.execute(f"select exists (\n{test.sql}\n)").fetchone() == (True,)
        }

    def found(self, warehouse: duckdb.DuckDBPyConnection, name: str) -> list[dict[str, Any]]:
        """Return the rows that a data test finds, by column."""
        (test,) = (test for test in self.tests if test.name == name)
        relation = warehouse.sql(test.sql)
        return [dict(zip(relation.columns, row, strict=True)) for row in relation.fetchall()]


def _node(node: Mapping[str, Any]) -> Node:
    config = node["config"]
    kind = "test" if node["resource_type"] == "test" else config["materialized"]
    assert kind in ("view", "table", "snapshot", "test"), node["name"]
    if kind == "test":
        # what `Compiled.test` relies on
        conditions = (config["fail_calc"], config["warn_if"], config["error_if"], config["limit"])
        assert conditions == ("count(*)", "!= 0", "!= 0", None), node["name"]
        assert config["where"] is None, node["name"]
    return Node(
        name=node["name"],
        kind=kind,
        schema=node["schema"],
        relation=str(node["relation_name"]),
        sql=node["compiled_code"],
        severity=str(config.get("severity", "")).lower(),
        parents=frozenset(node["depends_on"]["nodes"]),
    )


def _in_order(nodes: Mapping[str, Node]) -> list[str]:
    """Return the unique ids, each behind its parents."""
    ordered: dict[str, None] = {}

    def add(unique_id: str) -> None:
        for parent in sorted(nodes[unique_id].parents & nodes.keys()):
            add(parent)
        ordered.setdefault(unique_id)

    for unique_id in nodes:
        add(unique_id)
    return list(ordered)
