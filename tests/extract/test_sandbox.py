"""The sandbox: the contract's shape over real HTTP, of contacts that are plausible and alive."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
import requests

from extract import settings
from extract.sandbox import API_KEY, ApiServer, World

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)


def world_at(moment: datetime) -> dict[str, Any]:
    return dict(World(clock=lambda: moment).lists())


def get(api: ApiServer, path: str, key: str | None = API_KEY) -> requests.Response:
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    return requests.get(api.url + path, headers=headers, timeout=30)


def test_the_same_seed_and_moment_give_the_same_contacts() -> None:
    assert world_at(NOW) == world_at(NOW)
    assert World(seed=8, clock=lambda: NOW).lists() != world_at(NOW)


def test_there_are_about_3000_contacts_after_two_years() -> None:
    lists = world_at(NOW)
    assert 2700 < len(lists["leads"]) + len(lists["users"]) < 3300
    ids = Counter(row["crmhero_user_id"] for rows in lists.values() for row in rows)
    del ids[None]
    assert max(ids.values()) == 1


def test_the_world_has_every_field_and_nothing_from_the_future() -> None:
    lists = world_at(NOW)
    for name, rows in lists.items():
        known = {"crmhero_user_id", "attributes", *settings.TEXT_FIELDS[name]}
        for row in rows:
            account = row["attributes"] if isinstance(row["attributes"], dict) else {}
            assert set(row) <= known
            assert known - set(row) <= set(account) | set(settings.TEXT_FIELDS["leads"][-8:])
            assert row["last_update"] <= f"{NOW:%Y-%m-%d %H:%M:%S}"
            assert row["first_seen_at"] <= row["last_activity"] <= NOW.timestamp()


def test_the_funnel_is_plausible() -> None:
    users = world_at(NOW)["users"]
    leads = world_at(NOW)["leads"]
    converted = sum(row["was_lead"] for row in users)
    assert 0.15 < converted / (converted + len(leads)) < 0.5
    active = [row["last_activity"] > (NOW - timedelta(days=30)).timestamp() for row in users]
    assert 0.2 < sum(active) / len(users) < 0.6


def test_time_brings_new_leads_changes_conversions_renames_and_deletions() -> None:
    before, after = world_at(NOW), world_at(NOW + timedelta(days=30))
    lead_ids = [{row["crmhero_user_id"] for row in lists["leads"]} for lists in (before, after)]
    user_ids = [{row["crmhero_user_id"] for row in lists["users"]} for lists in (before, after)]
    assert lead_ids[1] - lead_ids[0]
    assert lead_ids[0] & user_ids[1]
    assert (lead_ids[0] | user_ids[0]) - (lead_ids[1] | user_ids[1])
    emails = [{row["user_id"]: row["email"] for row in lists["users"]} for lists in (before, after)]
    assert any(emails[1].get(user_id, email) != email for user_id, email in emails[0].items())


def test_whatever_changes_in_a_row_moves_its_last_update() -> None:
    moments = [NOW + timedelta(hours=6 * step) for step in range(40)]
    for earlier, later in pairwise(map(world_at, moments)):
        for name, key in (("leads", "crmhero_user_id"), ("users", "user_id")):
            rows = {row[key]: row for row in earlier[name]}
            for row in later[name]:
                old = rows.get(row[key], row)
                assert old == row or old["last_update"] < row["last_update"]


def test_a_minute_shows_an_incremental_load() -> None:
    """Two runs a minute apart see changes, and few enough to fit on a page."""
    for minutes in range(10):
        moment = NOW + timedelta(minutes=minutes)
        before, after = world_at(moment), world_at(moment + timedelta(minutes=1))
        changed = [row for name in after for row in after[name] if row not in before[name]]
        assert 1 <= len(changed) <= 20
    overlap = f"{NOW - timedelta(seconds=settings.LAG_SECONDS):%Y-%m-%d %H:%M:%S}"
    for rows in before.values():
        assert sum(row["last_update"] >= overlap for row in rows) < settings.PAGE_SIZE


def test_the_server_pages_through_a_list_newest_first() -> None:
    with ApiServer(World(clock=lambda: NOW).lists, API_KEY) as api:
        rows, page = [], 0
        sort = "sort=last_update&sort_direction=desc"
        while batch := get(api, f"users/list?{sort}&page={page}&per_page=50").json()["data"][
            "users"
        ]:
            rows += batch
            page += 1
    assert len(rows) == len(world_at(NOW)["users"])
    assert rows == sorted(rows, key=lambda row: row["last_update"], reverse=True)


@pytest.mark.parametrize("key", [None, "wrong"])
def test_the_server_refuses_a_key_as_the_real_api_does(key: str | None) -> None:
    with ApiServer(World(clock=lambda: NOW).lists, API_KEY) as api:
        refusal = get(api, "leads/list", key)
    assert refusal.status_code == 500
    assert "message" in refusal.json()["error"]
