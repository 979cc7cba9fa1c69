"""Every question of `docs/questions.md` is answered by its query, and every mart answers one."""

import re
from pathlib import Path

import duckdb
import pytest

from extract import settings
from extract.project import marts

QUESTIONS = (settings.ROOT / "docs" / "questions.md").read_text()
QUERIES = re.findall(r"```sql\n(.*?)```", QUESTIONS, re.DOTALL)


@pytest.mark.parametrize("query", QUERIES)
def test_a_question_is_answered_on_the_sandbox(sandbox_folder: Path, query: str) -> None:
    with duckdb.connect(str(sandbox_folder / "contacts.duckdb"), read_only=True) as contacts:
        rows = contacts.sql(query).fetchall()
    assert rows
    assert any(value is not None for value in rows[0])


def test_every_mart_answers_a_question() -> None:
    assert len(marts()) == 14
    assert set(re.findall(r"\b(?:dim|fct)_\w+", "".join(QUERIES))) == marts()
