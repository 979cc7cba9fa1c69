"""Values and names of fields that look like SQL, Jinja, shell commands or paths are only data."""

import json
from pathlib import Path

import duckdb
import pytest

from extract import settings
from extract.folder import Folder
from extract.sandbox.server import ApiServer
from publish.publication import publish
from tests.support.builders import Lists, lead, user
from tests.support.compiled import Compiled
from tests.support.elt import Elt, Query
from tests.support.unexpected import HOSTILE

pytestmark = pytest.mark.usefixtures("without_models")


def list_all(lists: Lists, minutes: int) -> None:
    fields = {text: text for text in HOSTILE}
    lists["leads"] = [
        lead(n, minutes, **fields, name=text, email=text, attributes={**fields, "role": text})
        for n, text in enumerate(HOSTILE, start=1)
    ]
    lists["users"] = [
        user(text, 1000 + n, minutes, **fields, name=text, email=text, attributes=fields)
        for n, text in enumerate(HOSTILE, start=1)
    ]


def test_hostile_values_and_names_of_fields_are_loaded_modelled_and_published(
    lists: Lists,
    api: ApiServer,
    elt: Elt,
    query: Query,
    compiled: Compiled,
    data_dir: Path,
    tmp_path: Path,
) -> None:
    folder = Folder(data_dir)
    for minutes in (0, -1):  # all rows change before the second run
        list_all(lists, minutes)
        assert elt("run").exit_code == 0
        with duckdb.connect(str(folder.warehouse)) as warehouse:
            compiled.build(warehouse)
            assert "fail" not in compiled.test(warehouse).values()
        published = publish(folder)
        assert query("select name, email from raw.leads order by crmhero_user_id") == [
            (text, text) for text in HOSTILE
        ]
        assert query("select user_id from raw.users order by crmhero_user_id") == [
            (text,) for text in HOSTILE
        ]
        (row,) = query("select columns(*)::text from raw.leads where crmhero_user_id = 1")
        # two of the names are those of raw columns' hints, which take no other field's place
        assert sorted(value for value in row if value in HOSTILE) == sorted(
            [*HOSTILE, *HOSTILE[:1] * 2]
        )
        (attributes,) = query("select attributes from raw.leads where crmhero_user_id = 1")[0]
        assert json.loads(attributes) == {**{text: text for text in HOSTILE}, "role": HOSTILE[0]}
        assert query("select full_name from marts.dim_contacts where contact_id = '1'") == [
            (HOSTILE[0],)
        ]
        assert query("select count(*) from marts.dim_contacts") == [(2 * len(HOSTILE),)]
        assert query("select count(distinct _dlt_load_id) from raw.leads") == [(1,)]
        with duckdb.connect(published.path, read_only=True) as contacts:
            assert contacts.sql("select count(*) from dim_contacts").fetchall() == [
                (2 * len(HOSTILE),)
            ]
    assert {path.name for path in data_dir.iterdir()} == {
        "warehouse.duckdb",
        "contacts.duckdb",
        "parquet",
        "published",
        "run.lock",
        "logs",
    }
    assert not list(tmp_path.rglob("*evil*"))
    assert not list(settings.ROOT.glob("*evil*"))
