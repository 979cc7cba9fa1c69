"""The API that a warehouse belongs to: another one is refused, unless the run rebinds it."""

import pytest

from extract.pipeline import configured_base_url
from extract.sandbox.server import ApiServer
from tests.support.builders import Lists, Load, lead, leads, users
from tests.support.elt import API_KEY, Elt, Query
from tests.support.syncs import lead_ids, mode

pytestmark = pytest.mark.usefixtures("without_models")
URL = "SOURCES__ANALYTICS_API__BASE_URL"


def test_a_warehouse_refuses_another_api_until_it_is_rebound(
    lists: Lists,
    api: ApiServer,
    loaded: Load,
    elt: Elt,
    query: Query,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loaded(leads(10), users(10))
    # older than the cursor, which does not show what changed at another address
    lists["leads"].append(lead(999, minutes_before=100_000))
    with ApiServer(lambda: lists, API_KEY) as other:
        monkeypatch.setenv(URL, other.url)
        for command in (("run",), ("run", "--full-refresh"), ("check",)):
            outcome = elt(*command)
            assert outcome.exit_code == 2
            assert "--rebind" in outcome.stdout + outcome.stderr
            assert api.url in outcome.stdout + outcome.stderr
        assert len(lead_ids(query)) == 10
        assert elt("run", "--rebind").exit_code == 0
        assert mode(query) == "full"
        assert lead_ids(query) == [*range(1, 11), 999]
    monkeypatch.setenv(URL, api.url)
    assert elt("run").exit_code == 2


def test_rebinding_with_one_resource_makes_a_full_sync_of_the_other_later(
    lists: Lists, loaded: Load, elt: Elt, query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded(leads(10), users(10))
    with ApiServer(lambda: lists, API_KEY) as other:
        monkeypatch.setenv(URL, other.url)
        assert elt("run", "--rebind", "--resources", "leads").exit_code == 0
        lists["users"] += users(120)[10:]
        assert elt("run").exit_code == 0
        assert mode(query) == "full"
    assert query("select count(*) from raw.users") == [(120,)]


@pytest.mark.parametrize("spelling", ["https://api.example.com/v1", "https://api.example.com/v1/"])
def test_a_slash_at_the_end_of_base_url_makes_no_other_api(
    monkeypatch: pytest.MonkeyPatch, spelling: str
) -> None:
    monkeypatch.setenv(URL, spelling)
    assert configured_base_url() == "https://api.example.com/v1/"


def test_the_sandbox_is_no_url(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(URL, "sandbox")
    assert configured_base_url() == "sandbox"
