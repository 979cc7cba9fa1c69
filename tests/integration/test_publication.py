"""What is published of a warehouse: marts, comments, freshness, dashboard; on a full disk, too."""

import re
import resource
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from datetime import datetime, timedelta
from importlib.metadata import version
from pathlib import Path

import duckdb
import pytest

from extract.folder import Folder
from publish import dashboard, marts, publication
from publish.dashboard import is_installed  # as it is, before tests turn it off
from publish.marts import Source
from publish.publication import publish
from tests.support.published import Fill, contacts
from tests.support.versions import FORK


@pytest.fixture(scope="module")
def both(sandbox_folder: Path) -> duckdb.DuckDBPyConnection:
    """The warehouse of a run, and what it published."""
    connection = duckdb.connect()
    for name in ("warehouse", "contacts"):
        connection.execute(f"attach '{sandbox_folder}/{name}.duckdb' as {name} (read_only)")
    return connection


def test_a_run_publishes_its_marts_and_nothing_else(both: duckdb.DuckDBPyConnection) -> None:
    tables = both.sql(
        "select database_name, schema_name, table_name from duckdb_tables() order by all"
    ).fetchall()
    names = [table for _, schema, table in tables if schema == "marts"]
    assert len(names) == 14
    assert [table[1:] for table in tables if table[0] == "contacts"] == [
        ("main", mart) for mart in (*names, "published")
    ]
    for mart in names:
        for one, other in (
            ("warehouse.marts", "contacts.main"),
            ("contacts.main", "warehouse.marts"),
        ):
            assert not both.sql(f"from {one}.{mart} except all from {other}.{mart}").fetchall()


def test_comments_and_types_are_kept(both: duckdb.DuckDBPyConnection) -> None:
    columns = (
        "select table_name, column_name, data_type, comment from duckdb_columns() "
        "where database_name = '{}' and schema_name = '{}' and table_name <> 'published'"
    )
    tables = columns.replace("column_name, data_type, ", "").replace("_columns()", "_tables()")
    for query in (columns, tables):
        published = both.sql(query.format("contacts", "main")).fetchall()
        assert sorted(published) == sorted(both.sql(query.format("warehouse", "marts")).fetchall())
        assert all(row[-1] for row in published)
    comments = both.sql(
        "select comment from duckdb_columns() where table_name = 'published' union all "
        "select comment from duckdb_tables() where table_name = 'published'"
    ).fetchall()
    assert len(comments) == 9
    assert all(comment for (comment,) in comments)


def test_older_duckdb_can_read_the_file(both: duckdb.DuckDBPyConnection) -> None:
    assert both.sql(
        "select tags['storage_version'] from duckdb_databases() where database_name = 'contacts'"
    ).fetchall() == [("v1.0.0+",)]


def test_parquet_files_are_the_same_and_name_their_version(
    both: duckdb.DuckDBPyConnection, sandbox_folder: Path
) -> None:
    counts = both.sql("select mart, row_count, version from contacts.published").fetchall()
    assert len(counts) == 14
    for mart, count, version_name in counts:
        file = f"'{sandbox_folder}/parquet/{mart}.parquet'"
        table = f"contacts.{mart}"
        for one, other in ((file, table), (table, file)):
            assert not both.sql(f"from {one} except all from {other}").fetchall()
        assert both.sql(f"select count(*) from {table}").fetchall() == [(count,)]
        assert both.sql(
            f"select distinct compression from parquet_metadata({file})"
        ).fetchall() == [("ZSTD",)]
        assert both.sql(
            f"select decode(key), decode(value) from parquet_kv_metadata({file})"
        ).fetchall() == [("version", version_name)]
    assert len(list((sandbox_folder / "parquet").iterdir())) == 15


def test_the_file_shows_its_version_and_how_new_its_data_is(
    both: duckdb.DuckDBPyConnection,
) -> None:
    ((version_name, published_at, leads_read_at, users_read_at, package),) = both.sql(
        "select distinct version, published_at, leads_read_at, users_read_at, package_version "
        "from contacts.published"
    ).fetchall()
    ((finished_at,),) = both.sql("select finished_at from warehouse.marts.fct_loads").fetchall()
    assert leads_read_at == users_read_at == finished_at
    assert both.sql("select distinct data_as_of from contacts.published").fetchall() == [
        (finished_at,)
    ]
    assert finished_at < published_at < finished_at + timedelta(minutes=25)
    assert re.fullmatch(r"\d{8}T\d{6}Z", version_name)
    assert package == version("contacts-elt")


def test_a_resource_that_was_never_read_leaves_the_age_unknown(folder: Folder, fill: Fill) -> None:
    fill(1)
    assert publish(folder).data_as_of is None
    rows = contacts(
        folder.path, "select distinct leads_read_at, users_read_at, data_as_of from published"
    )
    assert [(str(leads), *rest) for leads, *rest in rows] == [("2026-06-01 12:00:00", None, None)]


def test_a_table_that_is_no_mart_of_the_project_is_not_published(
    folder: Folder, fill: Fill
) -> None:
    """`fill` makes fct_retired, as an earlier release did: nothing updates or tests it."""
    fill(1)
    publish(folder)
    assert contacts(folder.path, "select table_name from duckdb_tables() order by all") == [
        ("dim_leads",), ("dim_users",), ("fct_loads",), ("published",)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("ago", "words"),
    [
        (timedelta(seconds=59), "0 minutes"),
        (timedelta(seconds=60), "1 minute"),
        (timedelta(minutes=119), "119 minutes"),
        (timedelta(hours=47), "47 hours"),
        (timedelta(days=3, hours=23), "3 days"),
    ],
)
def test_ages_are_printed_in_words(ago: timedelta, words: str) -> None:
    now = publication._now()
    assert publication.Published("", "", now - ago, None).age == words


def publish_with_little_space(folder: Folder, file_size: int) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (file_size, resource.RLIM_INFINITY))
    publish(folder)


def test_a_full_disk_leaves_readers_what_they_have(folder: Folder, fill: Fill) -> None:
    fill(1)
    first = publish(folder).version
    fill(2)
    with ProcessPoolExecutor(1, mp_context=FORK) as process:
        publication_of_2 = process.submit(publish_with_little_space, folder, 40_000)
        with pytest.raises(duckdb.IOException, match="File too large"):
            publication_of_2.result()
    assert contacts(folder.path, "select distinct version from published") == [(first,)]
    assert sorted(p.name for p in (folder.path / "published").iterdir()) == [first, "current"]
    publish(folder)
    assert contacts(folder.path, "select distinct number from dim_leads") == [(2,)]


def test_rows_that_need_more_memory_than_most_are_published_all_the_same(
    folder: Folder, fill: Fill, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(marts.LIMITS, "memory_limit", "8MiB")
    fill(1)
    with duckdb.connect(str(folder.warehouse)) as warehouse:
        warehouse.execute("insert into marts.dim_leads select 1, repeat('x', 20_000_000)")
    with pytest.raises(duckdb.OutOfMemoryException):
        marts._write(Source(folder.warehouse, "marts"), "", datetime.min, folder.logs, marts.LIMITS)
    publish(folder)
    assert contacts(folder.path, "select count(*), max(len(name)) from dim_leads") == [
        (3001, 20_000_000)
    ]


Switch = Callable[[bool], None]


@pytest.fixture
def dashboards(monkeypatch: pytest.MonkeyPatch) -> Switch:
    """Turn the drawing of dashboards on and off, with a page that is quickly drawn."""
    monkeypatch.setattr(
        dashboard, "render", lambda connection: str(connection.sql("from published"))
    )
    return lambda on: monkeypatch.setattr(dashboard, "is_installed", lambda: on)


def test_a_dashboard_belongs_to_its_version(folder: Folder, fill: Fill, dashboards: Switch) -> None:
    page = folder.path / "dashboard.html"
    fill(1)
    publish(folder)
    assert not page.is_symlink()
    dashboards(True)
    second = publish(folder).version
    assert second in page.read_text()
    assert page.stat().st_mode & 0o777 == 0o400
    third = publish(folder).version
    assert third in page.read_text()
    publication.roll_back(folder)
    assert second in page.read_text()
    publication.roll_back(folder)
    assert not page.is_symlink()
    first = publication.draw_dashboard(folder)
    assert first == page
    assert second not in page.read_text()
    publication.draw_dashboard(folder)
    dashboards(False)
    publish(folder)
    assert not page.is_symlink()


def test_a_dashboard_that_cannot_be_drawn_does_not_hold_the_data_back(
    folder: Folder, fill: Fill, dashboards: Switch, monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    dashboards(True)
    monkeypatch.setattr(dashboard, "render", lambda _: 1 / 0)
    fill(1)
    publish(folder)
    assert contacts(folder.path, "select distinct number from dim_leads") == [(1,)]
    assert "The dashboard could not be drawn: division by zero" in caplog.text


def test_a_run_draws_the_dashboard_where_its_extra_is_installed(sandbox_folder: Path) -> None:
    assert is_installed()
    ((name,),) = contacts(sandbox_folder, "select distinct version from published")
    assert f"Version {name}" in (sandbox_folder / "dashboard.html").read_text()
