"""A disk that is full: a run reports it in one line, and the next one recovers."""

from pathlib import Path

import pytest

from extract.sandbox.server import ApiServer
from tests.support.builders import Lists, lead
from tests.support.elt import Elt, Query
from tests.support.limited import run_on_full_disk

ROWS = 1000


@pytest.mark.usefixtures("without_models")
@pytest.mark.parametrize(
    ("size", "file"),
    [
        (5_000, "warehouse.new"),
        (20_000, "[Errno"),  # dlt's files
        (300_000, "warehouse.duckdb.wal"),
    ],
)
def test_a_full_disk_is_reported_and_the_next_run_recovers(
    lists: Lists,
    api: ApiServer,
    elt: Elt,
    query: Query,
    data_dir: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    size: int,
    file: str,
) -> None:
    lists["leads"] = [lead(number, number / 60, name="x" * 200) for number in range(ROWS)]
    api.max_per_page = ROWS
    monkeypatch.setenv("SOURCES__ANALYTICS_API__PAGE_SIZE", str(ROWS))
    limited = run_on_full_disk(size, tmp_path / "limited")
    assert limited.exit_code == 1
    assert limited.stderr.startswith("elt: No space to write: ")
    assert len(limited.stderr.splitlines()) == 1
    assert "File too large" in limited.stderr
    assert file in limited.stderr
    assert str(data_dir) in limited.stderr
    assert "run again" in limited.stderr
    assert elt("run").exit_code == 0
    assert query("select count(*), count(distinct crmhero_user_id) from raw.leads") == [
        (ROWS, ROWS)
    ]
