"""dlt's destinations with cached capabilities."""

from typing import Any

import dlt
import pytest
from dlt.common.normalizers.naming import NamingConvention, snake_case, sql_cs_v1

from extract.engines import destinations

NAMINGS = (None, snake_case.NamingConvention(), sql_cs_v1.NamingConvention())


@pytest.mark.parametrize("name", ["duckdb", "postgres"])
def test_a_destination_with_cached_capabilities_is_that_of_dlt_in_all_else(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its name is stored in the warehouse and is a section of the settings."""

    def capabilities(destination: Any, naming: NamingConvention | None) -> dict[str, Any]:
        # the selector is a function that is made for each object
        return {**destination.capabilities(naming=naming), "loader_file_format_selector": None}

    location = ":memory:" if name == "duckdb" else "postgresql://a:b@localhost/c"
    of_dlt = getattr(dlt.destinations, name)(location, preferred_loader_file_format="parquet")
    ours = getattr(destinations, name)(location, preferred_loader_file_format="parquet")
    assert ours.destination_type == of_dlt.destination_type == f"dlt.destinations.{name}"
    assert ours.destination_name == of_dlt.destination_name == name
    assert ours.configured_name == of_dlt.configured_name

    expected = [capabilities(of_dlt, naming) for naming in NAMINGS]
    assert [capabilities(ours, naming) for naming in NAMINGS] == expected
    ours.capabilities().preferred_loader_file_format = "csv"
    resolved: list[Any] = []
    monkeypatch.setattr(ours, "configuration", resolved.append)
    assert [capabilities(ours, naming) for naming in NAMINGS] == expected
    assert resolved == []
