"""What the models read out of single values, and that the extract stage reads the same."""

import sys
from typing import Any

import duckdb
import pytest

from extract.person import IDS_OF_NOBODY, account_of
from extract.values import BLANKS, as_key, parse_moment
from tests.support.macros import macros
from tests.support.spellings import TIMESTAMPS, check_spellings

MACROS = macros("duckdb")


@pytest.mark.parametrize("zone", ["UTC", "Pacific/Auckland"])
def test_timestamps_numbers_flags_and_e_mails_are_read_in_all_spellings(zone: str) -> None:
    with duckdb.connect() as connection:
        connection.execute(f"set TimeZone = '{zone}'")
        check_spellings(
            MACROS,
            lambda sql: connection.sql(sql).fetchall(),
            lambda text: "'" + text.replace("'", "''") + "'",
        )


def test_the_extract_stage_reads_the_same_timestamps() -> None:
    parsed = {text: parse_moment(text) for text in TIMESTAMPS}
    assert {
        text: timestamp and timestamp.replace(tzinfo=None) for text, timestamp in parsed.items()
    } == TIMESTAMPS


def test_a_timestamp_need_not_be_a_text() -> None:
    noon = parse_moment("2024-06-27 12:00:00")
    php = {"date": "2024-06-27 12:00:00.000000", "timezone_type": 3, "timezone": "UTC"}
    same: list[Any] = [1719489600, 1719489600.0, 1719489600000, php]
    assert [parse_moment(value) for value in same] == [noon] * len(same)
    none: list[Any] = [True, None, [], {}, [1719489600], float("nan"), 10**5000]
    assert [parse_moment(value) for value in none] == [None] * len(none)


def test_keys_and_texts_are_trimmed_of_the_same_characters() -> None:
    characters = [chr(n) for n in range(1, sys.maxunicode + 1) if not 0xD800 <= n <= 0xDFFF]
    with duckdb.connect() as connection:
        connection.execute("create table characters (v varchar)")
        connection.execute("insert into characters select unnest(?)", [characters])
        blank = connection.sql(
            f"select v from characters where {MACROS.blank_to_null('v')} is null"
        ).fetchall()
    assert sorted(character for (character,) in blank) == sorted(BLANKS)
    assert {c for c in characters if c.isspace()} < set(BLANKS)
    assert as_key(f"{BLANKS}a{BLANKS}b{BLANKS}") == f"a{BLANKS}b"


def test_user_ids_of_nobody_are_the_same_in_models_and_where_a_person_is_erased() -> None:
    user_ids = [*IDS_OF_NOBODY, "0", "-", "0.0", "Undefined", "10", "a", "nobody", "-1"]
    with duckdb.connect() as connection:
        accounts = connection.execute(
            f"select {MACROS.contact_id_of_account(MACROS.account_id())} "
            "from (select unnest(?) as user_id, 'x@y.z' as email)",
            [user_ids],
        ).fetchall()
    assert [account for (account,) in accounts] == [account_of(u, "x@y.z") for u in user_ids]
    assert MACROS.account_id().count("', '") == len(IDS_OF_NOBODY)
