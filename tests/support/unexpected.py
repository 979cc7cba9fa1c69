"""Values and names of fields that nobody expects of an API."""

from typing import Any

from tests.support.builders import Row

DEEP: Any = {}
for _ in range(300):
    DEEP = {"deeper": [DEEP]}

# fields of one row that must not keep others from being loaded
UNEXPECTED_FIELDS: list[Row] = [
    {"attributes": {"big": 2**64, "deep": [{"x": -(2**70)}]}},
    {"attributes": {"text": "half \ud800 emoji", "\udfff": 1}},
    {"name": "half \ud800 emoji", "role": "\udfff"},
    {"unknown": 2**63},
    {"unknown": 2**64},
    {"unknown": 1e308},
    {"unknown": "9" * 25},
    {"unknown": [1, {"a": 2}]},
    {"attributes": DEEP},
    {"unknown": DEEP, "name": DEEP},
    {"unknown": {"big": 2**64}},
    {"unknown": "0001-01-01T00:00:00+14:00"},
    {"unknown": "9999-12-31T23:59:59-14:00"},
    {"name": "nul \x00", "attributes": {"nul": "\x00"}},
    {"name": "x" * 1_000_000},
    {"_dlt_parent_id": "p", "_dlt_id": "i", "_dlt_load_id": "l", "_cursor": 1, "_version": 2},
    {"": 1, " ": 2, "select": 3, "ünïcode": 4, "a" * 300: 5, 'quo"te': 6},
    {"attributes": {f"key{n}": n for n in range(5000)}},
    {"last_update": float("nan"), "latitude": float("inf")},
]

# texts that could be taken for SQL, Jinja, shell commands, paths or columns of the pipeline
HOSTILE = (
    "'; drop schema raw cascade; --",
    '"; drop table raw.leads; --',
    "{{ 1/0 }}",
    "{% raw %}",
    "{# not a comment",
    "../../../evil",
    "$(touch evil)",
    "`touch evil`",
    '"quoted"',
    "%s %(x)s {0} ?",
    "back\\slash",
    "two\nlines\x00\x1b[31m",
    "_dlt_load_id",
    "_dlt_id",
    "_version",
    "_cursor",
    "select",
    "Ünïcödé 🦆",
    "n" * 300,
)
