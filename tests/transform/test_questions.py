"""Every question of `docs/questions.md` is answered by its query, and every mart answers one."""

import re
from pathlib import Path

import duckdb
import pytest

from extract import settings

QUESTIONS = (settings.ROOT / "docs" / "questions.md").read_text()
QUERIES = re.findall(r"```sql\n(.*?)```", QUESTIONS, re.DOTALL)


@pytest.mark.parametrize("query", QUERIES)
def test_a_question_is_answered_on_the_sandbox(sandbox_folder: Path, query: str) -> None:
    path = str(sandbox_folder / "warehouse.duckdb")
    with duckdb.connect(path, read_only=True) as warehouse:
        rows = warehouse.sql(query).fetchall()
    assert rows
    assert any(value is not None for value in rows[0])


def test_every_mart_answers_a_question() -> None:
    marts = {path.stem for path in (settings.ROOT / "transform/models/marts").glob("*.sql")}
    assert len(marts) == 14
    assert set(re.findall(r"marts\.(\w+)", "".join(QUERIES))) == marts
