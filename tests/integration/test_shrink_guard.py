"""Resources that lost too many rows: the run fails, removes nothing and merges the rest."""

import json
from typing import Any

import pytest

from extract import dbt_build
from tests.support.builders import Lists, Load, leads, user, users
from tests.support.elt import Elt, Query
from tests.support.syncs import DAYS, lead_ids, mode

pytestmark = pytest.mark.usefixtures("without_models")


@pytest.mark.usefixtures("full_syncs")
def test_a_resource_that_lost_too_many_rows_removes_nothing_and_merges(
    lists: Lists, loaded: Load, elt: Elt, query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded(leads(10), users(10))
    del lists["leads"][4:]
    lists["users"][0]["name"] = "changed"
    lists["users"].pop()
    built: list[Any] = []
    with monkeypatch.context() as patched:
        patched.setattr(dbt_build, "build", lambda *_: built.append(1))
        outcome = elt("run")
    assert outcome.exit_code == 1
    assert built == []
    assert "held 10 rows, and 6 rows in it are listed no more" in outcome.stderr
    assert "--allow-shrink" in outcome.stderr
    assert "users" not in outcome.stderr
    assert len(outcome.stderr.splitlines()) == 1
    assert len(lead_ids(query)) == 10
    assert query("select count(*), count(name) from raw.users") == [(10, 1)]
    assert query("select leads_is_whole from raw.elt_runs order by started_at") == [
        (True,),
        (False,),
    ]
    # it fails as long as the API lists so little, whatever the schedule of full syncs
    monkeypatch.setenv(DAYS, "0")
    failure = json.loads(elt("run", "--json").stdout)
    assert (failure["status"], failure["exit_code"]) == ("failed", 1)
    # and is complete again when the API is
    lists["leads"] = leads(11)
    assert elt("run").exit_code == 0
    assert lead_ids(query) == list(range(1, 12))
    assert query("select count(*) from raw.users") == [(9,)]


def test_a_shrunk_resource_is_accepted_with_an_option(
    lists: Lists, loaded: Load, elt: Elt, query: Query
) -> None:
    loaded(leads(10), users(10))
    del lists["leads"][4:]
    outcome = elt("run", "--allow-shrink")
    assert outcome.exit_code == 0
    assert "6 rows of leads removed" in outcome.stdout
    assert lead_ids(query) == [1, 2, 3, 4]
    assert query("select count(*) from raw.users") == [(10,)]
    assert elt("run").exit_code == 0
    assert mode(query) == "incremental"


def test_the_share_that_may_go_is_a_setting(
    lists: Lists, loaded: Load, elt: Elt, query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded(leads(10), users(10))
    del lists["leads"][8:]
    monkeypatch.setenv("ELT__MAX_SHRINK", "0.1")
    outcome = elt("run", "--full-refresh")
    assert outcome.exit_code == 1
    assert "max_shrink = 0.1" in outcome.stderr
    assert len(lead_ids(query)) == 10


@pytest.mark.parametrize("command", ["run", "check"])
def test_a_limit_that_cannot_work_is_named(
    elt: Elt, monkeypatch: pytest.MonkeyPatch, api: Any, command: str
) -> None:
    monkeypatch.setenv("ELT__MAX_SHRINK", "x")
    outcome = elt(command)
    assert outcome.exit_code == 2
    assert "max_shrink" in outcome.stdout + outcome.stderr
    assert bool(api.requests) == (command == "check"), "the check still tries the API"


def test_no_resource_may_fall_empty_after_a_refused_run(
    lists: Lists, loaded: Load, elt: Elt, query: Query
) -> None:
    loaded(leads(10), users(10))
    lists["leads"] = []
    outcome = elt("run")
    assert outcome.exit_code == 1
    assert "raw.leads held 10 rows, and 10 rows in it" in outcome.stderr
    lists["leads"], lists["users"] = leads(10), []
    outcome = elt("run")
    assert outcome.exit_code == 1
    assert "raw.users held 10 rows, and 10 rows in it" in outcome.stderr
    assert query("select count(*) from raw.users") == [(10,)]


def test_conversions_and_new_e_mails_are_no_shrinkage(
    lists: Lists, loaded: Load, elt: Elt, query: Query
) -> None:
    """Even where an incremental sync meets no lead: the last one has signed up."""
    loaded(leads(10), users(10))
    lists["users"] = [
        *({**row, "email": f"new-{row['email']}"} for row in users(10)),
        *(user(f"was{n}", n, -n, was_lead=1) for n in range(1, 11)),
    ]
    lists["leads"] = []
    assert elt("run").exit_code == 0
    assert mode(query) == "full"
    assert lead_ids(query) == []
    assert query("select count(*) from raw.users") == [(20,)]


def test_a_table_without_rows_cannot_shrink(
    lists: Lists, loaded: Load, elt: Elt, query: Query
) -> None:
    loaded([], [])
    lists["leads"] = leads(2)
    assert elt("run").exit_code == 0
    assert mode(query) == "incremental"
    assert lead_ids(query) == [1, 2]
