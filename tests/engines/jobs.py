"""What a run must do on every engine."""

import json
from typing import Any

import pytest

from extract.sandbox.server import ApiServer
from tests.builders import Lists, lead, leads, moment, user
from tests.conftest import Elt, Query

Contact = tuple[Any, ...]


def contacts(query: Query) -> list[Contact]:
    """Return who is a contact, by id."""
    return sorted(query("select contact_id, email, contact_stage from marts.dim_contacts"))


def bring_what_changed(lists: Lists, elt: Elt, query: Query) -> None:
    """Run three times: a first load; an update, a conversion and another e-mail; a deletion."""
    lists["leads"] = [lead(1, 1), lead(2, 2)]
    lists["users"] = [user("u3", 3, 3), user("u4", 4, 4)]
    outcome = elt("run")
    assert (outcome.exit_code, outcome.stderr) == (0, "")
    assert contacts(query) == [
        ("1", "lead1@example.com", "lead"),
        ("2", "lead2@example.com", "lead"),
        ("3", "u3@example.com", "direct_user"),
        ("4", "u4@example.com", "direct_user"),
    ]

    lists["users"] = [
        user("u3", 3, email="new@example.com", last_update=moment(-3)),
        user("u1", 1, was_lead=1, last_update=moment(-2)),
        user("u4", 4, 4),
    ]
    lists["leads"] = [lead(2, email="other@example.com", last_update=moment(-1))]
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
    assert contacts(query) == now

    del lists["users"][2]
    outcome = elt("run", "--full-refresh")
    assert outcome.exit_code == 0, outcome.stderr
    assert "2 rows of users removed" in outcome.stdout  # the former e-mail's, too
    assert "1 rows of leads removed" in outcome.stdout
    assert contacts(query) == now[:3]


def refuse_what_is_dangerous(lists: Lists, elt: Elt, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run into the guards, without models: a list that shrinks, another project, another API."""
    lists["leads"] = leads(4)
    assert elt("run").exit_code == 0
    lists["leads"] = leads(1)
    outcome = elt("run", "--full-refresh")
    assert outcome.exit_code == 1
    assert "raw.leads held 4 rows, and 3 rows in it are listed no more" in outcome.stderr
    # another project's rows are strange, and so a full read is made, which refuses
    lists["leads"] = [lead(n) for n in (11, 12)]
    outcome = elt("run")
    assert outcome.exit_code == 1
    assert "--allow-shrink" in outcome.stderr
    outcome = elt("run", "--allow-shrink")
    assert outcome.exit_code == 0
    assert "4 rows of leads removed" in outcome.stdout
    # a row without a key is set aside, and goes when it is listed no more
    lists["leads"].append(lead(None))
    assert "1 rows of leads set aside" in elt("run", "--full-refresh").stdout
    with ApiServer(lambda: lists, "key") as other:
        monkeypatch.setenv("SOURCES__ANALYTICS_API__BASE_URL", other.url)
        outcome = elt("run")
    assert outcome.exit_code == 2
    assert "--rebind" in outcome.stderr
