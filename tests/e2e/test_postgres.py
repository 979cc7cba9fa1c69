"""Complete runs on a PostgreSQL server, what they build beside DuckDB's, and dbt run manually."""

from pathlib import Path

import duckdb
import pytest

from extract import dbt_build
from extract.dbt_build import BuildResult
from extract.sandbox.server import ApiServer
from publish import publication
from tests.support.builders import Lists, Row, lead, user
from tests.support.compiled import Compiled
from tests.support.databases import ask, run_dbt_on_postgres
from tests.support.elt import Elt, Query
from tests.support.jobs import bring_what_changed

pytestmark = pytest.mark.xdist_group("postgres")
IRREGULAR: list[Row] = [
    {"attributes": []},
    {"attributes": None, "latitude": "91", "spam": "yes"},
    {"attributes": {"n": 1.50, "b": True, "l": [1, "x"], "o": {"k": None}, "": "", " t ": "\tt "}},
    {"attributes": {"create_date": "2024-02-30", "sub_active": "FALSE", "role": " admin "}},
    {"create_date": "2024-02-29T23:59:59.5+13:45", "unsubscribe": "T", "nps_vote": "1e1"},
    {"create_date": '"1719403121"', "last_activity": "infinity", "first_seen_at": 1e300},
    {"name": "nul \x00", "attributes": {"nul\x00": "\x00\x00 \\u0000"}, "bounce": "0.0"},
    {"name": "\u2028\u00a0zürich 日本", "country": "Åland", "latitude": "٣", "last_update": None},
]
OTHERS: Lists = {
    "leads": [lead(200 + n if n else 0, 100 + n, **fields) for n, fields in enumerate(IRREGULAR)],
    "users": [user(f"o{n}", 300 + n, 100 + n, **fields) for n, fields in enumerate(IRREGULAR)],
}
COMPARED = (
    *("dim_contacts", "dim_leads", "dim_users", "dim_attributes"),
    *("fct_contact_attributes", "fct_audience_by_country"),
)
# columns that depend on when a run was
OF_A_RUN = (
    *("loaded_at", "first_contact_at", "signed_up_at", "converted_at", "nps_voted_at"),
    *("waiting_days", "days_to_convert"),
)


@pytest.fixture
def query(on_postgres: str) -> Query:
    """Query the database of this test."""
    return lambda sql: ask(on_postgres, sql)


def marts_on_duckdb(
    data_dir: Path, elt: Elt, compiled: Compiled, monkeypatch: pytest.MonkeyPatch
) -> duckdb.DuckDBPyConnection:
    """Load what the API lists into a DuckDB file, and build the marts there."""
    with monkeypatch.context() as on_duckdb:
        on_duckdb.setenv("ELT__DESTINATION", "duckdb")
        on_duckdb.setattr(dbt_build, "build", lambda *_: BuildResult())
        on_duckdb.setattr(publication, "publish", lambda *_: None)
        assert elt("run").exit_code == 0
    warehouse = duckdb.connect(str(data_dir / "warehouse.duckdb"))
    compiled.build(warehouse)
    return warehouse


def comparable(query: Query, mart: str) -> list[str]:
    """Return a mart's rows without the columns of `OF_A_RUN`, sorted."""
    columns = ", ".join(
        name
        for (name,) in query(
            "select column_name from information_schema.columns "
            f"where table_schema = 'marts' and table_name = '{mart}'"
        )
        if name not in OF_A_RUN
    )
    return sorted(map(repr, query(f"select {columns} from marts.{mart}")))


@pytest.mark.usefixtures("with_dbt_on_postgres")
def test_runs_bring_what_changed_to_marts_that_equal_those_of_duckdb(
    on_postgres: str,
    lists: Lists,
    api: ApiServer,
    elt: Elt,
    query: Query,
    data_dir: Path,
    tmp_path: Path,
    project: Path,
    compiled: Compiled,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bring_what_changed(lists, elt, query, OTHERS)

    deleted = "select contact_id from marts.fct_contact_changes where change_type = 'deleted'"
    assert query(deleted) == [("4",)]
    assert query("select count(*) from raw.users") == [(2 + len(IRREGULAR),)]
    published = "select row_count, data_as_of is not null from marts.published"
    assert query(f"{published} where mart = 'dim_contacts'") == [(3 + 2 * len(IRREGULAR), True)]
    with marts_on_duckdb(data_dir, elt, compiled, monkeypatch) as warehouse:
        built = warehouse.sql(
            "select table_name from duckdb_tables() where schema_name = 'marts' order by 1"
        ).fetchall()
        assert query("select mart from marts.published order by 1") == built
        for mart in COMPARED:
            expected = comparable(lambda sql: warehouse.sql(sql).fetchall(), mart)
            assert expected, mart
            # PostgreSQL stores no character U+0000 in a text
            assert comparable(query, mart) == sorted(
                row.replace("\\x00", "\ufffd") for row in expected
            ), mart

    # dbt run manually builds nothing where readers look
    ended = run_dbt_on_postgres(on_postgres, project, tmp_path, data_dir, "build")
    assert ended.exit_code != 0
    assert "CONTACTS_MARTS=marts_next" in ended.stdout
    assert query("select count(*) from pg_tables where schemaname = 'marts'") == [(len(built) + 1,)]
