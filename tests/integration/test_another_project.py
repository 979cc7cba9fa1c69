"""Incremental syncs that meet no row that the warehouse holds: the API key may be another's."""

import pytest

from extract.sandbox.server import ApiServer
from tests.support.builders import Lists, Load, Row, lead, leads, user, users
from tests.support.elt import Elt, Query
from tests.support.syncs import lead_ids, mode, pages

pytestmark = pytest.mark.usefixtures("without_models")


def another_account(rows: int) -> list[Row]:
    """Return leads that were all updated after those of `leads`."""
    return [lead(number, -number) for number in range(1000, 1000 + rows)]


@pytest.mark.parametrize(
    "listed", [[lead(2000, 500)], [lead(None)]], ids=["older rows", "no row with a key"]
)
def test_an_incremental_sync_that_meets_no_known_row_becomes_a_full_sync(
    lists: Lists, loaded: Load, elt: Elt, query: Query, listed: list[Row]
) -> None:
    loaded(leads(120), users(3))
    lists["leads"] = listed
    outcome = elt("run")
    assert outcome.exit_code == 1
    assert "held 120 rows, and 120 rows in it" in outcome.stderr
    assert "--allow-shrink" in outcome.stderr
    assert mode(query) == "full"
    assert set(range(1, 121)) <= set(lead_ids(query))


def test_another_account_is_refused_as_often_as_it_is_read_and_its_cursor_hides_no_change(
    lists: Lists, loaded: Load, elt: Elt, query: Query
) -> None:
    """What a refused run merges is no reason to accept it in the next."""
    loaded(leads(120), users(3))
    ours, lists["leads"] = lists["leads"], another_account(300)
    for _ in range(2):
        outcome = elt("run")
        assert outcome.exit_code == 1
        assert "held 120 rows, and 120 rows in it" in outcome.stderr
    assert set(range(1, 121)) <= set(lead_ids(query))
    lists["leads"] = [{**ours[100], "name": "changed"}, *ours[:100], *ours[101:]]
    assert elt("run", "--allow-shrink").exit_code == 0
    assert lead_ids(query) == list(range(1, 121))
    assert query("select name from raw.leads where crmhero_user_id = 101") == [("changed",)]


def test_a_refused_run_makes_full_syncs_of_all_resources_due(
    lists: Lists, loaded: Load, elt: Elt, query: Query
) -> None:
    """The other project may share a user with ours: the cursor of users cannot be trusted."""
    loaded(leads(10), users(10))
    lists["leads"] = another_account(30)
    assert elt("run", "--resources", "leads").exit_code == 1
    lists["users"].insert(0, user("new", 100_011, 500))
    assert elt("run", "--resources", "users").exit_code == 0
    assert mode(query) == "full"
    assert query("select count(*) from raw.users") == [(11,)]


def test_new_rows_alone_on_many_pages_are_no_other_project(
    lists: Lists, api: ApiServer, loaded: Load, elt: Elt, query: Query
) -> None:
    """The page that ends the sync shows known rows, which are older than the cursor."""
    loaded(leads(120), users(3))
    lists["leads"] = [*(lead(n, -n) for n in range(500, 620)), *lists["leads"][30:]]
    assert elt("run").exit_code == 0
    assert mode(query) == "incremental"
    assert pages(api)["leads"] == [0, 1, 2, 3]
    assert len(lead_ids(query)) == 240
