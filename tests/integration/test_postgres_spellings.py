"""What the models read out of single values on PostgreSQL."""

import pytest

from tests.support.databases import ask
from tests.support.macros import macros
from tests.support.spellings import check_spellings

pytestmark = pytest.mark.xdist_group("postgres")


def test_timestamps_numbers_flags_and_e_mails_are_read_in_all_spellings(database: str) -> None:
    check_spellings(
        macros("postgres"),
        lambda sql: ask(database, sql),
        lambda text: "'" + text.replace("'", "''") + "'",
    )
