"""What runs must do on every engine."""

import json
from typing import Any

import pytest

from extract.sandbox.server import ApiServer
from tests.support.builders import Lists, lead, leads, moment, user, users
from tests.support.elt import Elt, Query

Contact = tuple[Any, ...]


def contacts(query: Query) -> list[Contact]:
    """Return id, e-mail and stage of all contacts, by id."""
    return sorted(query("select contact_id, email, contact_stage from marts.dim_contacts"))


def bring_what_changed(lists: Lists, elt: Elt, query: Query, others: Lists | None = None) -> None:
    """Run three times: a first load; an update, a conversion and another e-mail; a deletion.

    Args:
        lists: what the API lists.
        elt: runs `elt`.
        query: queries the warehouse.
        others: older rows of further contacts, which the API lists all the time.
    """
    # without an old row, a run would come to the end of the lists and notice what is deleted
    others = others or {"leads": [lead(98, 600)], "users": [user("u99", 99, 600)]}
    other_ids = {str(row["crmhero_user_id"]) for rows in others.values() for row in rows}

    def found() -> list[Contact]:
        return [contact for contact in contacts(query) if contact[0] not in other_ids]

    lists["leads"] = [lead(1, 1), lead(2, 2), *others["leads"]]
    lists["users"] = [user("u3", 3, 3), user("u4", 4, 4), *others["users"]]
    outcome = elt("run")
    assert (outcome.exit_code, outcome.stderr) == (0, "")
    assert found() == [
        ("1", "lead1@example.com", "lead"),
        ("2", "lead2@example.com", "lead"),
        ("3", "u3@example.com", "direct_user"),
        ("4", "u4@example.com", "direct_user"),
    ]

    lists["users"] = [
        user("u3", 3, email="new@example.com", last_update=moment(-3)),
        user("u1", 1, was_lead=1, last_update=moment(-2)),
        user("u4", 4, 4),
        *others["users"],
    ]
    lists["leads"] = [
        lead(2, email="other@example.com", last_update=moment(-1)),
        *others["leads"],
    ]
    outcome = elt("run", "--json")
    assert outcome.exit_code == 0, outcome.stderr
    tables = json.loads(outcome.stdout)["tables"]
    assert [tables[name]["rows_new"] for name in ("leads", "users")] == [0, 2]
    assert [tables[name]["rows_changed"] for name in ("leads", "users")] == [1, 0]
    now = [
        ("1", "u1@example.com", "converted_user"),
        ("2", "other@example.com", "lead"),
        ("3", "new@example.com", "direct_user"),
        ("4", "u4@example.com", "direct_user"),
    ]
    assert found() == now

    del lists["users"][2]
    outcome = elt("run", "--full-refresh")
    assert outcome.exit_code == 0, outcome.stderr
    assert "2 rows of users removed" in outcome.stdout  # the former e-mail's, too
    assert "1 rows of leads removed" in outcome.stdout
    assert found() == now[:3]


def refuse_what_is_dangerous(lists: Lists, elt: Elt, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run into the guards, without models: resources that shrink, another project, another API."""
    lists["leads"], lists["users"] = leads(4), users(4)
    assert elt("run").exit_code == 0
    # no lead of another project is known, so both resources get a full sync, which refuses
    lists["leads"] = [lead(11), lead(12)]
    lists["users"] = users(1)
    outcome = elt("run")
    assert outcome.exit_code == 1
    assert "raw.leads held 4 rows, and 4 rows in it are listed no more" in outcome.stderr
    assert "raw.users held 4 rows, and 3 rows in it are listed no more" in outcome.stderr
    assert "--allow-shrink" in outcome.stderr
    lists["leads"].append(lead(None))  # a row without a key is set aside
    outcome = elt("run", "--allow-shrink")
    assert outcome.exit_code == 0, outcome.stderr
    assert "4 rows of leads removed" in outcome.stdout
    assert "3 rows of users removed" in outcome.stdout
    assert "1 rows of leads set aside" in outcome.stdout
    with ApiServer(lambda: lists, "key") as other:
        monkeypatch.setenv("SOURCES__ANALYTICS_API__BASE_URL", other.url)
        outcome = elt("run")
    assert outcome.exit_code == 2
    assert "--rebind" in outcome.stderr


def load_wide_and_large_rows(lists: Lists, elt: Elt, query: Query, large: int) -> None:
    """Run twice, without models: rows of hundreds of fields and of megabytes, full of U+0000.

    Args:
        lists: what the API lists.
        elt: runs `elt`.
        query: queries the warehouse.
        large: the number of large rows.
    """
    wide: dict[str, Any] = {f"field_{number}": "nul \x00" for number in range(200)}
    fields: dict[str, Any] = {
        "name": "nul \x00" * 100_000,
        "attributes": {"nul \x00": "x" * 1_500_000},
    }
    lists["leads"] = [lead(0, **wide), *(lead(number + 1, **fields) for number in range(large))]
    for changed in (0, 1):
        outcome = elt("run", "--json")
        assert outcome.exit_code == 0, outcome.stderr
        assert json.loads(outcome.stdout)["tables"]["leads"]["rows_changed"] == changed
        lists["leads"][0]["field_7"] = "another"
    assert query("select count(*), max(field_7), max(length(name)) from raw.leads") == [
        (1 + large, "another", 500_000)
    ]
