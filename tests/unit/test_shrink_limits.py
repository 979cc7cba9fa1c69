"""What a full sync may remove unasked: the settings, and the message where it would be too much."""

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import pytest

from extract import state
from extract.errors import SettingsError
from extract.reading import Limits, shrinkage
from extract.warehouse import Missing
from tests.support.remembered import remembered


def reading(before: Mapping[str, int], missing: Mapping[str, Missing]) -> Any:
    """Return a sync, with the rows before it and the rows that it misses by resource."""
    return SimpleNamespace(pipeline=remembered(unfinished=dict(before)), missing=missing)


def lost_leads(before: int, lost: int) -> Any:
    """Return a sync of leads that lost so many of the rows before it."""
    return reading({"leads": before}, {"leads": Missing(lost, lost)})


@pytest.mark.parametrize(
    ("before", "lost", "max_shrink"),
    [(10, 0, 0.5), (10, 5, 0.5), (10, 2, 0.2), (10, 10, 1), (10, 0, 0), (0, 0, 0.5), (0, 0, 0)],
)
def test_a_share_up_to_the_limit_is_no_shrinkage(before: int, lost: int, max_shrink: float) -> None:
    assert shrinkage(lost_leads(before, lost), max_shrink) == ""


@pytest.mark.parametrize(
    ("before", "lost", "max_shrink"),
    [(10, 6, 0.5), (10, 10, 0.5), (10, 2, 0.1), (10, 1, 0), (1, 1, 0.5), (0, 1, 0.5)],
)
def test_more_than_the_limit_is_named_with_both_counts(
    before: int, lost: int, max_shrink: float
) -> None:
    message = shrinkage(lost_leads(before, lost), max_shrink)
    assert f"raw.leads held {before} rows, and {lost} rows in it are listed no more" in message
    assert f"max_shrink = {max_shrink:g}" in message
    assert "--allow-shrink" in message


def test_rows_that_are_only_listed_elsewhere_are_no_shrinkage() -> None:
    """Conversions: none of the rows is lost."""
    assert shrinkage(reading({"leads": 10}, {"leads": Missing(10, 0)}), 0.5) == ""


def test_every_resource_that_shrank_is_named_and_no_other() -> None:
    missing = {"leads": Missing(5, 5), "users": Missing(8, 8)}
    message = shrinkage(reading({"leads": 10, "users": 10}, missing), 0.5)
    assert "raw.users held 10 rows, and 8 rows" in message
    assert "leads" not in message


def test_the_rows_are_those_before_the_full_sync_was_begun() -> None:
    pipeline = remembered()
    state.begin_full_reads(pipeline, ["leads"], {"leads": 10})
    state.begin_full_reads(pipeline, ["leads"], {"leads": 1000})
    again: Any = SimpleNamespace(pipeline=pipeline, missing={"leads": Missing(8, 8)})
    assert "raw.leads held 10 rows" in shrinkage(again, 0.5)


def test_the_limits_are_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Limits.configured() == (7, 0.5)
    monkeypatch.setenv("ELT__FULL_READ_DAYS", "0")
    monkeypatch.setenv("ELT__MAX_SHRINK", "0")
    assert Limits.configured() == (0, 0)
    monkeypatch.setenv("ELT__FULL_READ_DAYS", "0.5")
    monkeypatch.setenv("ELT__MAX_SHRINK", "1")
    assert Limits.configured() == (0.5, 1)


def test_the_limits_have_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    nothing_set = SimpleNamespace(get=lambda *_: None)
    monkeypatch.setattr("extract.reading.dlt", SimpleNamespace(config=nothing_set))
    assert Limits.configured() == (7, 0.5)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("FULL_READ_DAYS", "-1"),
        ("FULL_READ_DAYS", "nan"),
        ("MAX_SHRINK", "1.5"),
        ("MAX_SHRINK", "-0.1"),
        ("MAX_SHRINK", "nan"),
    ],
)
def test_a_limit_that_cannot_work_is_named(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(f"ELT__{name}", value)
    with pytest.raises(SettingsError, match=name.lower()):
        Limits.configured()
