"""dlt's destinations as the engines use them."""

from typing import Any

import dlt
import pytest

from extract.engines import destinations


@pytest.mark.parametrize("name", ["duckdb", "postgres"])
def test_a_destination_that_finds_out_once_is_that_of_dlt_in_all_else(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its name is stored in the warehouse and is a section of the settings."""

    def known(destination: Any) -> dict[str, Any]:
        # a function that is made for each object
        return {**destination.capabilities(), "loader_file_format_selector": None}

    location = ":memory:" if name == "duckdb" else "postgresql://a:b@localhost/c"
    of_dlt = getattr(dlt.destinations, name)(location, preferred_loader_file_format="parquet")
    ours = getattr(destinations, name)(location, preferred_loader_file_format="parquet")
    assert ours.destination_type == of_dlt.destination_type == f"dlt.destinations.{name}"
    assert ours.destination_name == of_dlt.destination_name == name
    assert ours.configured_name == of_dlt.configured_name

    expected = known(of_dlt)
    assert expected["preferred_loader_file_format"] == "parquet"
    assert known(ours) == expected
    ours.capabilities().preferred_loader_file_format = "csv"
    resolved: list[Any] = []
    monkeypatch.setattr(ours, "configuration", resolved.append)
    assert known(ours) == expected
    assert resolved == []
