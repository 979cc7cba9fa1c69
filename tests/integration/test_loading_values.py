"""How values of the API are stored in raw: columns and types, and nothing of a row is lost."""

import json
from pathlib import Path
from typing import Any

import duckdb
import pytest

from extract.sandbox.server import ApiServer
from extract.warehouse import replace_nul
from tests.support.builders import Lists, Load, lead, leads, user, users
from tests.support.elt import Elt, Query
from tests.support.unexpected import UNEXPECTED_FIELDS

pytestmark = pytest.mark.usefixtures("without_models")

# texts that begin like a value of another type in dlt's files
MARKED = ["\uf02612.50", "\uf0272026-01-01", "\uf02aff", "\uf02btext"]


def types(query: Query, table: str = "leads") -> dict[str, str]:
    """Return the types of a raw table's columns by name."""
    return dict(
        query(
            "select column_name, data_type from information_schema.columns "
            f"where table_schema = 'raw' and table_name = '{table}'"
        )
    )


def test_a_field_stays_in_one_column_of_one_type_whatever_its_values_are(
    lists: Lists, api: ApiServer, elt: Elt, query: Query
) -> None:
    latitudes = [45.07, "7.69", None, 12345678901234567890123, True, {"a": [1]}, ["é"]]
    attributes = [{"a": {"b": [1]}}, [], None, "text", 7, [1, {"c": 2}], {"big": 2**64}]
    lists["leads"] = [
        lead(n, n, latitude=latitude, attributes=value, utm_term=None)
        for n, (latitude, value) in enumerate(zip(latitudes, attributes, strict=True))
    ]
    del lists["leads"][2]["attributes"]
    lists["leads"] += [
        lead(None, crmhero_user_id="417", name="half \ud800", unknown=2**64),
        lead(None, crmhero_user_id=418.0),
    ]
    for number, text in enumerate(MARKED, start=1000):
        fields: dict[str, Any] = {"name": text, "unknown": text, "attributes": {"x": [text]}}
        lists["leads"] += [lead(number, **fields), lead(None, **fields)]
    lists["users"] = [{**user("x", None), "user_id": 42, "email": " a@example.com "}]
    assert elt("run").exit_code == 0
    assert query(
        "select latitude, attributes from raw.leads where crmhero_user_id < 10 "
        "order by crmhero_user_id"
    ) == [
        ("45.07", '{"a":{"b":[1]}}'),
        ("7.69", "[]"),
        (None, None),
        ("12345678901234567890123", '["text"]'),
        ("true", "[7]"),
        ('{"a": [1]}', '[1,{"c":2}]'),
        ('["é"]', '{"big":"18446744073709551616"}'),
    ]
    assert query(
        "select crmhero_user_id from raw.leads where crmhero_user_id between 10 and 999 order by 1"
    ) == [(417,), (418,)]
    assert query("select name, unknown from raw.leads where crmhero_user_id = 417") == [
        ("half \\ud800", str(2**64))
    ]
    assert query("select user_id, email, crmhero_user_id from raw.users") == [
        ("42", "a@example.com", None)
    ]
    assert query(
        "select name, unknown, attributes ->> '$.x[0]' from raw.leads "
        "where crmhero_user_id >= 1000 order by crmhero_user_id"
    ) == [(text, text, text) for text in MARKED]
    rejected = [json.loads(row) for (row,) in query("select row_json from raw.rejected_rows")]
    assert sorted(
        (row["name"], row["unknown"], row["attributes"]["x"][0]) for row in rejected
    ) == sorted((text, text, text) for text in MARKED)
    stored = types(query)
    assert stored["crmhero_user_id"] == "BIGINT"
    assert stored["utm_term"] == stored["latitude"] == "VARCHAR"
    assert stored["attributes"] == "JSON"
    assert not [name for name in stored if name.startswith(("latitude_", "attributes_"))]
    tables = query("select table_name from information_schema.tables where table_schema = 'raw'")
    assert not [name for (name,) in tables if "__" in name]


def test_an_unknown_field_gets_a_column_that_no_other_field_has(
    lists: Lists, loaded: Load, elt: Elt, query: Query
) -> None:
    """In a table that is there, whose other rows have null."""
    loaded(leads(120), users(3))
    own = {"score": 7, "company": {"name": "Acme"}, "homePage": "https://a.b"}
    alike = {"Email": "b", "other_email": "c", "Plan": "gold", "plan": "free", "_version": "d"}
    lists["leads"].append(lead(200, -1, email="a", crmheroUserId=9, **own, **alike))
    lists["users"] += [
        {"userId": 1001, "Email": "shared", **user("a", 7, -1, crmhero_user_id="odd")},
        user("b", 8, -1, userId=1001, other_crmhero_user_id="kept"),
        user("c", None, -1, crmhero_user_id="9" * 25, other_crmhero_user_id="too"),
    ]
    assert elt("run").exit_code == 0
    assert query("select score, company, home_page, email from raw.leads where score = '7'") == [
        ("7", '{"name": "Acme"}', "https://a.b", "a")
    ]
    assert query("select count(*), count(score), count(company) from raw.leads") == [(121, 1, 1)]
    (row,) = query(
        "select columns(* exclude (last_update, attributes)) from raw.leads where score = '7'"
    )
    assert {"a", "b", "c", "gold", "free", "d"} <= set(row)
    assert query(
        "select user_id, email, crmhero_user_id, other_crmhero_user_id, "
        "other_other_crmhero_user_id, other_user_id, other_email "
        "from raw.users where length(user_id) = 1 order by user_id"
    ) == [
        ("a", "a@example.com", None, "odd", None, "1001", "shared"),
        ("b", "b@example.com", 8, None, "kept", "1001", None),
        ("c", "c@example.com", None, "9" * 25, "too", None, None),
    ]
    assert query("select count(*) from raw.rejected_rows") == [(0,)]


def test_no_value_of_one_row_stops_the_load(
    lists: Lists, loaded: Load, elt: Elt, query: Query
) -> None:
    loaded(leads(120), users(3))
    added = {
        number: {**lead(number, -1), **fields}
        for number, fields in enumerate(UNEXPECTED_FIELDS, start=1000)
    }
    lists["leads"] = [lead(999, -1, unknown=7), *added.values(), *lists["leads"]]
    outcome = elt("run")
    assert outcome.exit_code == 0, outcome.stderr
    stored = query("select crmhero_user_id from raw.leads where crmhero_user_id >= 999 order by 1")
    assert stored == [(number,) for number in (999, *added)]
    assert query("select count(*) from raw.leads where _dlt_load_id = 'l'") == [(0,)]
    assert query("select count(*) from raw.rejected_rows") == [(0,)]
    assert query("select max(length(name)) from raw.leads") == [(1_000_000,)]
    # all rows are read and merged again
    assert elt("run", "--full-refresh").exit_code == 0
    assert query("select count(*) from raw.leads") == [(121 + len(added),)]


def test_nul_characters_are_replaced_in_the_files_for_a_warehouse_that_takes_none(
    tmp_path: Path,
) -> None:
    """PostgreSQL has none in its texts, and no escape of one in JSON."""
    with_nul, without = str(tmp_path / "with_nul.parquet"), str(tmp_path / "without.parquet")
    with duckdb.connect() as connection:
        connection.execute("create table loaded (name varchar, attributes varchar, n bigint)")
        connection.executemany(
            "insert into loaded values (?, ?, ?)",
            [
                ("a\x00b\x00", json.dumps({"nul\x00": "\x00 \\u0000 \\\x00"}), 1),
                ("\\u0000", None, 2),
                (None, '{"plain": 1}', 3),
            ],
        )
        connection.execute(f"copy loaded to '{with_nul}' (format parquet)")
        connection.execute(f"copy (from loaded where n > 1) to '{without}' (format parquet)")
        before = Path(without).read_bytes()
        replace_nul(connection, [with_nul, without])
        stored = connection.read_parquet(with_nul).order("n").fetchall()
    assert [(name, n) for name, _, n in stored] == [
        ("a\ufffdb\ufffd", 1),
        ("\\u0000", 2),
        (None, 3),
    ]
    assert json.loads(stored[0][1]) == {"nul\ufffd": "\ufffd \\u0000 \\\ufffd"}
    assert [attributes for _, attributes, _ in stored[1:]] == [None, '{"plain": 1}']
    assert Path(without).read_bytes() == before
