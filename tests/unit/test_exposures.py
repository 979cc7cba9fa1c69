"""Exposures name what really reads the marts."""

import re

import pytest

from extract import settings
from extract.project import marts

QUERIES = settings.ROOT / "publish" / "dashboard" / "queries"
EXPOSURES = settings.ROOT / "transform" / "models" / "marts" / "_marts__exposures.yml"


@pytest.fixture(scope="module")
def exposures() -> dict[str, set[str]]:
    """The marts that each exposure depends on."""
    parts = re.split(r"- name: (\w+)\n", EXPOSURES.read_text())[1:]
    return {
        name: set(re.findall(r"ref\('(\w+)'\)", text))
        for name, text in zip(parts[::2], parts[1::2], strict=True)
    }


def test_all_marts_are_published(exposures: dict[str, set[str]]) -> None:
    assert exposures["published_marts"] == marts()


def test_the_dashboard_depends_on_the_marts_that_it_asks(exposures: dict[str, set[str]]) -> None:
    words = {
        word for path in QUERIES.glob("*.sql") for word in re.findall(r"\w+", path.read_text())
    }
    assert exposures["dashboard"] == words & marts()
