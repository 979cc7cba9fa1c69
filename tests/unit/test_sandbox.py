"""The sandbox API: the shape of the contract over real HTTP, and contacts that are plausible."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import pairwise

import pytest
import requests

from extract import settings
from extract.sandbox import API_KEY, ApiServer, World
from tests.support.builders import Row

KEYS = {"leads": "crmhero_user_id", "users": "user_id"}
START = datetime(2024, 11, 1, tzinfo=UTC)
NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
Shown = dict[str, Sequence[Row]]
clock = [NOW]
WORLD = World(clock=lambda: clock[0])  # it makes its contacts once


@lru_cache(maxsize=4)
def world_at(time: datetime) -> Shown:
    """Return what the sandbox lists at a time."""
    clock[0] = time
    return dict(WORLD.lists())


def get(api: ApiServer, path: str, key: str | None = API_KEY) -> requests.Response:
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    return requests.get(api.url + path, headers=headers, timeout=30)


def test_the_same_seed_and_time_give_the_same_contacts() -> None:
    """Whatever the world has shown before; and another seed gives others."""
    time = START + timedelta(days=100)
    world_at(time + timedelta(days=1))
    assert World(clock=lambda: time).lists() == world_at(time)
    assert World(seed=8, clock=lambda: time).lists() != world_at(time)


def test_there_are_about_3000_contacts_after_two_years() -> None:
    shown = world_at(NOW)
    assert 2700 < len(shown["leads"]) + len(shown["users"]) < 3300
    ids = Counter(row["crmhero_user_id"] for rows in shown.values() for row in rows)
    del ids[None]
    assert max(ids.values()) == 1


def test_the_world_has_every_field_and_nothing_from_the_future() -> None:
    for name, rows in world_at(NOW).items():
        known = {"crmhero_user_id", "attributes", *settings.TEXT_FIELDS[name]}
        for row in rows:
            account = row["attributes"] if isinstance(row["attributes"], dict) else {}
            assert set(row) <= known
            assert known - set(row) <= set(account) | set(settings.TEXT_FIELDS["leads"][-8:])
            assert row["last_update"] <= f"{NOW:%Y-%m-%d %H:%M:%S}"
            assert row["first_seen_at"] <= row["last_activity"] <= NOW.timestamp()


def test_the_funnel_is_plausible() -> None:
    users, leads = world_at(NOW)["users"], world_at(NOW)["leads"]
    converted = sum(row["was_lead"] for row in users)
    assert 0.15 < converted / (converted + len(leads)) < 0.5
    active = [row["last_activity"] > (NOW - timedelta(days=30)).timestamp() for row in users]
    assert 0.2 < sum(active) / len(users) < 0.6


def test_time_brings_new_leads_changes_conversions_renames_and_deletions() -> None:
    before, after = world_at(NOW), world_at(NOW + timedelta(days=30))
    lead_ids = [{row["crmhero_user_id"] for row in shown["leads"]} for shown in (before, after)]
    user_ids = [{row["crmhero_user_id"] for row in shown["users"]} for shown in (before, after)]
    assert lead_ids[1] - lead_ids[0]
    assert lead_ids[0] & user_ids[1]
    assert (lead_ids[0] | user_ids[0]) - (lead_ids[1] | user_ids[1])
    emails = [{row["user_id"]: row["email"] for row in shown["users"]} for shown in (before, after)]
    assert any(emails[1].get(user_id, email) != email for user_id, email in emails[0].items())


@pytest.mark.parametrize(("seed", "hours", "steps"), [(3, 12, 360), (4, 6, 240)])
def test_a_row_that_is_new_or_changed_was_updated_since(seed: int, hours: int, steps: int) -> None:
    """In the first months of two worlds, in which everything happens that can to a contact."""
    time = [START]
    world = World(seed=seed, clock=lambda: time[0])
    earlier = dict(world.lists())
    for _ in range(steps):
        since = f"{time[0]:%Y-%m-%d %H:%M:%S}"
        time[0] += timedelta(hours=hours)
        later = dict(world.lists())
        for name, key in KEYS.items():
            rows = {row[key]: row for row in earlier[name]}
            for row in later[name]:
                assert row == rows.get(row[key]) or row["last_update"] > since
        earlier = later


def test_a_minute_shows_an_incremental_sync() -> None:
    """Two runs a minute apart see changes, and few enough to fit on a page."""
    times = [NOW + timedelta(minutes=minutes) for minutes in range(11)]
    for before, after in pairwise(map(world_at, times)):
        changed = 0
        for name, key in KEYS.items():
            rows = {row[key]: row for row in before[name]}
            changed += sum(row != rows.get(row[key]) for row in after[name])
        assert 1 <= changed <= 20
    overlap = f"{times[-2] - timedelta(seconds=settings.LAG_SECONDS):%Y-%m-%d %H:%M:%S}"
    for listed in before.values():
        assert sum(row["last_update"] >= overlap for row in listed) < settings.PAGE_SIZE


def test_the_server_pages_through_a_resource_newest_first() -> None:
    with ApiServer(lambda: world_at(NOW), API_KEY) as api:
        rows: list[Row] = []
        page = 0
        query = "sort=last_update&sort_direction=desc&per_page=50"
        while batch := get(api, f"users/list?{query}&page={page}").json()["data"]["users"]:
            assert len(batch) <= 50
            rows += batch
            page += 1
    assert len(rows) == len(world_at(NOW)["users"])
    assert rows == sorted(rows, key=lambda row: str(row["last_update"]), reverse=True)


def test_the_server_caps_the_size_of_a_page() -> None:
    with ApiServer(lambda: world_at(NOW), API_KEY) as api:
        assert len(get(api, "users/list?per_page=1000").json()["data"]["users"]) == 100


@pytest.mark.parametrize(
    ("path", "status"), [("accounts/list", 404), ("leads", 404), ("leads/list?page=x", 400)]
)
def test_the_server_refuses_what_the_contract_does_not_have(path: str, status: int) -> None:
    with ApiServer(lambda: {}, API_KEY) as api:
        refusal = get(api, path)
    assert refusal.status_code == status
    assert "message" in refusal.json()["error"]


@pytest.mark.parametrize("key", [None, "wrong"])
def test_the_server_refuses_an_api_key_as_the_real_api_does(key: str | None) -> None:
    with ApiServer(lambda: {}, API_KEY) as api:
        refusal = get(api, "leads/list", key)
    assert refusal.status_code == 500
    assert "message" in refusal.json()["error"]
