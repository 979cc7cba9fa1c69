"""What a sync finds by comparing its Parquet files with a warehouse: new, changed, missing rows."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from extract import warehouse
from extract.warehouse import Changes, Missing, Warehouse

Write = Callable[..., str]
LEADS = "crmhero_user_id, name, attributes, _version"
USERS = "user_id, email, crmhero_user_id"


@pytest.fixture
def stored(data_dir: Path) -> Iterator[Warehouse]:
    """A warehouse with three leads and three users."""
    data_dir.mkdir()
    with duckdb.connect(str(data_dir / "warehouse.duckdb")) as connection:
        connection.execute("create schema raw")
        connection.execute(
            "create table raw.leads as select * from (values"
            " (1, 'same', json('{}'), 'v0'), (2, 'old', json('{}'), 'v0'), (3, 'gone', null, 'v0')"
            f") as t ({LEADS})"
        )
        connection.execute(
            "create table raw.users as select * from (values"
            f" ('u1', 'a@x', 11), ('u2', 'b@x', 12), ('u3', 'c@x', null)) as t ({USERS})"
        )
        yield Warehouse(connection)


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write rows, as SQL values, to a Parquet file."""

    def parquet(columns: str, *rows: str) -> str:
        file = str(tmp_path / f"listed{len(list(tmp_path.glob('*.parquet')))}.parquet")
        duckdb.sql(f"copy (select * from (values {', '.join(rows)}) as t ({columns})) to '{file}'")
        return file

    return parquet


def rows_of(file: str) -> list[tuple[Any, ...]]:
    return duckdb.sql(f"select * from '{file}' order by all").fetchall()


def test_new_and_changed_rows_are_counted_by_their_newest_copy(
    stored: Warehouse, write: Write
) -> None:
    files = {
        "leads": [
            write(
                f"{LEADS}, extra",
                "(1, 'same', '{}', 'v1', null)",
                "(1, 'stale', '{}', 'v0', null)",
                "(2, 'new', '{}', 'v1', null)",
                "(4, 'new', null, 'v1', 'unknown field')",
            )
        ]
    }
    assert stored.compare("leads", files) == Changes(new=1, changed=1)


def test_a_value_in_a_new_column_and_a_column_that_is_gone_are_changes(
    stored: Warehouse, write: Write
) -> None:
    with_column = write(f"{LEADS}, extra", "(1, 'same', '{}', 'v1', 'x')")
    without_column = write("crmhero_user_id, attributes, _version", "(2, '{}', 'v1')")
    files = {"leads": [with_column]}
    assert stored.compare("leads", files) == Changes(new=0, changed=1)
    assert stored.compare("leads", {"leads": [without_column]}) == Changes(new=0, changed=1)
    assert stored.compare("leads", {"leads": [with_column, without_column]}).changed == 2


def test_every_row_is_new_to_an_empty_warehouse(write: Write) -> None:
    with duckdb.connect() as connection:
        empty = Warehouse(connection)
        files = {"leads": [write(LEADS, "(1, 'a', null, 'v1')", "(2, 'b', null, 'v1')")]}
        assert empty.rows_held("leads") == 0
        assert empty.compare("leads", files) == Changes(new=2, changed=0)
        assert empty.missing("leads", files) == Missing(rows=0, lost=0)


def test_nothing_read_is_no_change(stored: Warehouse) -> None:
    assert stored.rows_held("leads") == 3
    assert stored.compare("leads", {}) == Changes(0, 0)


def test_rows_that_no_file_has_are_missing(stored: Warehouse, write: Write) -> None:
    first, second = (write(LEADS, f"({number}, 'a', null, 'v1')") for number in (1, 3))
    assert stored.missing("leads", {"leads": [first]}) == Missing(rows=2, lost=2)
    assert stored.missing("leads", {"leads": [first, second]}) == Missing(rows=1, lost=1)
    assert stored.missing("leads", {}) == Missing(rows=3, lost=3)
    assert stored.missing("users", {}) == Missing(rows=3, lost=3)


def test_a_lead_that_became_a_user_is_missing_but_not_lost(stored: Warehouse, write: Write) -> None:
    converted = write(USERS, "('u9', 'z@x', 2)")
    assert stored.missing("leads", {"users": [converted]}) == Missing(rows=3, lost=2)
    stored.connection.execute("insert into raw.users values ('u8', 'y@x', 1)")
    assert stored.missing("leads", {"users": [converted]}) == Missing(rows=3, lost=1)
    assert stored.missing("leads", {}) == Missing(rows=3, lost=2)


def test_the_earlier_e_mail_of_a_user_is_missing_but_not_lost(
    stored: Warehouse, write: Write
) -> None:
    renamed = write(USERS, "('u1', 'new@x', 11)", "('u2', 'b@x', 12)", "('u3', 'new@x', 13)")
    assert stored.missing("users", {"users": [renamed]}) == Missing(rows=2, lost=0)
    without_number = write(USERS, "('u1', 'new@x', null::integer)")
    assert stored.missing("users", {"users": [without_number]}) == Missing(rows=3, lost=2)


def test_a_user_of_another_project_with_the_same_id_replaces_nobody(
    stored: Warehouse, write: Write
) -> None:
    other = write(USERS, "('u1', 'a@y', 511)", "('u2', 'b@y', 512)", "('u3', 'c@y', 513)")
    # u3 has no number by which the projects differ
    assert stored.missing("users", {"users": [other]}) == Missing(rows=3, lost=2)


def test_a_known_row_is_found_in_the_files_and_on_the_last_page(
    stored: Warehouse, write: Write
) -> None:
    known = write(LEADS, "(9, 'a', null, 'v1')", "(3, 'a', null, 'v1')")
    unknown = write(LEADS, "(9, 'a', null, 'v1')")
    assert stored.holds_any("leads", {"leads": [known]}, [])
    assert not stored.holds_any("leads", {"leads": [unknown]}, [])
    assert stored.holds_any("leads", {"leads": [unknown]}, [{"crmhero_user_id": 3}])
    assert stored.holds_any("leads", {}, [{"crmhero_user_id": 8}, {"crmhero_user_id": 3}])
    assert not stored.holds_any("leads", {}, [{"crmhero_user_id": 2000}])


def test_no_rows_at_all_are_no_known_row(stored: Warehouse) -> None:
    assert not stored.holds_any("leads", {}, [])
    assert not stored.holds_any("users", {}, [])


def test_a_user_is_known_by_id_and_e_mail(stored: Warehouse) -> None:
    assert stored.holds_any("users", {}, [{"user_id": "u2", "email": "b@x"}])
    assert not stored.holds_any("users", {}, [{"user_id": "u2", "email": "a@x"}])


def test_of_the_copies_of_a_row_in_a_load_the_newest_is_kept(
    stored: Warehouse, write: Write
) -> None:
    first = write(LEADS, "(1, 'new', null, 'v2')", "(2, 'only', null, 'v1')")
    second = write(
        LEADS, "(1, 'old', null, 'v1')", "(3, 'old', null, 'v1')", "(3, 'new', null, 'v2')"
    )
    third = write(LEADS, "(4, 'only', null, 'v1')")
    untouched = Path(third).stat().st_ino
    warehouse.keep_newest(stored.connection, "leads", [first, second, third])
    assert rows_of(first) == [(1, "new", None, "v2"), (2, "only", None, "v1")]
    assert rows_of(second) == [(3, "new", None, "v2")]
    assert Path(third).stat().st_ino == untouched


def test_users_with_two_e_mails_are_two_rows(stored: Warehouse, write: Write) -> None:
    file = write(
        "user_id, email, _version",
        "('u1', 'a@x', 'v1')",
        "('u1', 'b@x', 'v2')",
        "('u1', 'a@x', 'v3')",
    )
    warehouse.keep_newest(stored.connection, "users", [file])
    assert rows_of(file) == [("u1", "a@x", "v3"), ("u1", "b@x", "v2")]


def test_a_rejected_row_counts_once_however_often_it_is_read(
    stored: Warehouse, write: Write
) -> None:
    columns = "resource, row_hash"
    first = write(columns, "('leads', 'a')", "('leads', 'b')", "('users', 'a')")
    second = write(columns, "('leads', 'a')")
    files = {"rejected_rows": [first, second]}
    assert warehouse.rejected(stored.connection, "leads", files) == 2
    assert warehouse.rejected(stored.connection, "users", files) == 1
    assert warehouse.rejected(stored.connection, "leads", {}) == 0
