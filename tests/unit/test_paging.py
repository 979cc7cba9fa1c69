"""How the pages of a resource are requested, and where it ends."""

from typing import Any

import pytest

from extract.sandbox.server import ApiServer, ListRequest, Reply
from tests.support.builders import PASSING, Lists, at, lead, leads, listing
from tests.support.elt import API_KEY
from tests.support.servers import pages_asked
from tests.support.sync import Source

ALL = list(range(1, 201))
SHORT_PAGE = 'end_of_list = "short_page"'


def test_the_requests_are_those_of_the_contract(api: ApiServer, source: Source) -> None:
    assert source.sync().exit_code == 0
    assert {request.name for request in api.requests} == {"leads", "users"}
    first, second = api.requests[0].params, api.requests[2].params
    assert first == {
        "sort": "last_update",
        "sort_direction": "desc",
        "per_page": "50",
        "page": "0",
    }
    assert second == {**first, "page": "1"}
    for request in api.requests:
        assert request.headers["authorization"] == f"Bearer {API_KEY}"


def test_the_page_size_is_a_setting(
    full_api: ApiServer, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCES__ANALYTICS_API__PAGE_SIZE", "80")
    assert source.sync().ids() == ALL
    assert {request.per_page for request in full_api.requests} == {80}
    assert pages_asked(full_api) == [0, 1, 2, 3]


def test_what_was_read_is_counted(full_api: ApiServer, source: Source) -> None:
    full_api.fault = at(PASSING["503"], page=2, times=2)
    counts = source.sync().counts
    # with the page in ascending order, and the first one once more, of which no row is new
    assert (counts["leads"].pages, counts["leads"].rows_read, counts["leads"].requests) == (
        7,
        200,
        9,
    )
    assert (counts["users"].pages, counts["users"].rows_read, counts["users"].requests) == (
        5,
        60,
        5,
    )
    assert counts["leads"].last_keys == [{"crmhero_user_id": number} for number in range(151, 201)]
    assert counts["users"].last_keys[-1] == {"user_id": "u60", "email": "u60@example.com"}


def test_three_identical_pages_fail_and_name_the_settings(
    full_api: ApiServer, source: Source
) -> None:
    same = Reply.of_json({"data": {"leads": leads(50)}})
    full_api.fault = lambda request: same if request.name == "leads" else None
    synced = source.sync()
    assert synced.exit_code == 1
    assert pages_asked(full_api) == [0, 1, 2, 0], "no row has arrived at the head"
    assert "the same pages of leads again and again, up to page 2" in synced.error
    assert "`page`" in synced.error
    assert "first_page" in synced.error
    assert SHORT_PAGE in synced.error


def test_two_identical_pages_are_no_failure(full_api: ApiServer, source: Source) -> None:
    """An API that counts from 1 may serve page 1 for page 0."""
    rows = leads(120)
    full_api.fault = listing([rows[:50], rows[:50], rows[50:100], rows[100:]])
    synced = source.sync()
    assert synced.exit_code == 0
    assert synced.ids() == list(range(1, 121))


def test_the_first_page_is_a_setting(
    api: ApiServer, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCES__ANALYTICS_API__FIRST_PAGE", "1")
    api.fault = listing([[], leads(50), [lead(51)], []])
    synced = source.sync()
    assert synced.exit_code == 0
    assert synced.ids() == list(range(1, 52))


def test_a_page_capped_below_what_was_requested_is_not_the_end(
    full_api: ApiServer, source: Source
) -> None:
    full_api.max_per_page = 30
    synced = source.sync()
    assert synced.exit_code == 0
    assert synced.ids() == ALL


def test_a_page_of_rejected_rows_alone_is_not_the_end(api: ApiServer, source: Source) -> None:
    bad: list[list[Any]] = [
        [lead(None, name=f"{page} {number}") for number in range(50)] for page in range(3)
    ]
    api.fault = listing([*bad, [lead(1)], []])
    synced = source.sync()
    assert synced.exit_code == 0
    assert synced.ids() == [1]
    assert len(synced.rejected) == 150
    synced = source.sync()
    assert synced.exit_code == 0
    assert synced.ids() == [1]


def past_the_end(request: ListRequest) -> Reply | None:
    last = {"leads": 3, "users": 1}[request.name]
    return (
        Reply.of_json({"error": {"message": "No such page."}}, 404) if request.page > last else None
    )


def test_the_error_of_an_api_that_fails_past_the_end_names_end_of_list(
    full_api: ApiServer, source: Source
) -> None:
    full_api.fault = past_the_end
    synced = source.sync()
    assert synced.exit_code == 1
    assert SHORT_PAGE in synced.error


PAST_THE_END = {
    "500": (Reply.of_json({"error": {}}, 500), True),
    "503": (Reply.of_json({"error": {}}, 503), False),  # really means "later"
    "error as 200": (Reply.of_json({"error": {"message": "No such page."}}), True),
    "no list": (Reply.of_json({}), True),
    "HTML": (Reply(200, b"<html>No such page</html>"), True),
}


@pytest.mark.parametrize(("reply", "may_be_the_end"), PAST_THE_END.values(), ids=PAST_THE_END)
@pytest.mark.parametrize("page", [0, 4])
def test_end_of_list_is_named_where_a_later_page_may_lie_past_the_end(
    full_api: ApiServer, source: Source, reply: Reply, page: int, may_be_the_end: bool
) -> None:
    full_api.fault = at(reply, page=page)
    synced = source.sync()
    assert synced.exit_code == 1
    assert (SHORT_PAGE in synced.error) == (may_be_the_end and page > 0)


def test_a_short_page_ends_the_list_where_set(
    lists: Lists, full_api: ApiServer, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCES__ANALYTICS_API__END_OF_LIST", "short_page")
    lists["leads"] = leads(199)
    full_api.fault = past_the_end
    synced = source.sync()
    assert synced.exit_code == 0
    assert synced.ids() == list(range(1, 200))
    assert pages_asked(full_api) == [0, 1, 2, 3]


def test_the_error_behind_a_full_last_page_names_the_page_size(
    full_api: ApiServer, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCES__ANALYTICS_API__END_OF_LIST", "short_page")
    full_api.fault = past_the_end
    synced = source.sync()
    assert synced.exit_code == 1
    assert "set another [sources.analytics_api] page_size" in synced.error
    assert SHORT_PAGE not in synced.error
