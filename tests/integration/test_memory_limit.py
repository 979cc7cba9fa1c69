"""Rows that need more memory than DuckDB's usual limit are loaded without a memory limit."""

import pytest

from extract import settings
from extract.sandbox.server import ApiServer
from tests.support.builders import Lists, lead
from tests.support.elt import Elt, Query

ROWS = 1000


@pytest.mark.usefixtures("without_models")
def test_rows_that_need_more_memory_than_usual_are_loaded_with_all_there_is(
    lists: Lists, api: ApiServer, elt: Elt, query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    lists["leads"] = [lead(number, number / 60, name="x" * 200) for number in range(ROWS)]
    api.max_per_page = 1000
    monkeypatch.setenv("SOURCES__ANALYTICS_API__PAGE_SIZE", "1000")
    monkeypatch.setattr(settings, "LIMITS", {"memory_limit": "16MiB", "threads": "1"})
    outcome = elt("run")
    assert outcome.exit_code == 0, outcome.stderr
    lists["leads"] = [row | {"name": "changed"} for row in lists["leads"]]
    assert elt("run", "--full-refresh").exit_code == 0
    assert query("select count(*), count(distinct crmhero_user_id) from raw.leads") == [
        (ROWS, ROWS)
    ]
    assert query("select count(*) from raw.leads where name = 'changed'") == [(ROWS,)]
