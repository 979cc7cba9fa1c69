"""Syncs of an API that breaks its contract, and of one that keeps it while rows move."""

import itertools
from collections.abc import Sequence
from typing import Any

import pytest

from extract.errors import ApiError, KeyRefusedError
from extract.plan import PageRequest
from extract.sync_plan import StartingPoint
from tests.support.builders import NEWEST, Row, lead, leads
from tests.support.plans import Events, Pages, Serve, carry_out, full, incremental, served

DAY = 24 * 60  # minutes


def ids(rows: Sequence[Row]) -> set[Any]:
    return {row["crmhero_user_id"] for row in rows}


# order


def test_changes_of_a_list_in_the_wrong_order_are_noticed() -> None:
    """200 leads, oldest first, whatever is requested: 3 changed and 1 is new."""
    rows = [*leads(200)[::-1], lead(5, -1), lead(6, -1), lead(7, -1), lead(500, -2)]
    plan = incremental()
    carry_out(plan, lambda request: rows[request.number * 50 :][:50])
    assert plan.outcome.is_misordered
    assert not plan.outcome.is_up_to_date


def test_a_row_in_the_wrong_place_hides_no_changes() -> None:
    changed = [lead(number, -number) for number in range(120, 0, -1)]
    rows = [*changed[:10], lead(999, 9999), *changed[10:], *leads(300)[120:]]
    plan = incremental()
    carried = carry_out(plan, lambda request: rows[request.number * 50 :][:50])
    assert ids(changed) <= set(carried.ids)
    assert plan.outcome.is_up_to_date
    assert plan.outcome.outliers == 1
    assert [request.number for request in carried.requests] == [0, 1, 2, 3]


def test_an_unchanged_list_takes_one_request() -> None:
    carried = carry_out(incremental(minutes_before=1), served(leads(230)))
    assert [request.number for request in carried.requests] == [0]


def test_an_incremental_sync_that_meets_no_old_row_has_come_to_the_end() -> None:
    plan = incremental(minutes_before=1)
    carry_out(plan, served(leads(10)))
    assert plan.outcome.has_ended
    plan = incremental(minutes_before=1)
    carry_out(plan, served([*leads(10), lead(11, 60)]))
    assert not plan.outcome.has_ended


def test_changes_below_old_rows_are_reported() -> None:
    """The list is sorted by id: what an incremental sync reads of it happens to be in order."""
    rows = leads(300)
    rows[200] = lead(201, 5)
    plan = full()
    plan.start = StartingPoint(NEWEST.timestamp() - 10 * 60, 0)
    carry_out(plan, lambda request: rows[request.number * 50 :][:50])
    assert plan.outcome.hidden_changes == 1
    assert plan.outcome.is_sorted is False
    assert plan.outcome.is_complete


def test_rows_that_are_imported_during_a_full_sync_are_not_below_old_rows() -> None:
    """More rows than a page come to the head, and push some down behind it."""
    rows = leads(600)

    def serve(request: PageRequest) -> Sequence[Row]:
        if request == PageRequest(1, 50) and len(rows) == 600:
            rows.extend(lead(1000 + n, -1 - n / 100) for n in range(60))
        return served(rows)(request)

    plan = full(start=True)
    carry_out(plan, lambda request: serve(request._replace(may_fail=False)))
    assert len(rows) == 660
    assert plan.outcome.hidden_changes == 0
    assert plan.outcome.is_sorted is not False


@pytest.mark.parametrize(
    ("rows", "is_sorted"),
    [
        (leads(300), True),
        # in the wrong order, but no change is hidden
        ([*leads(250), *leads(300)[:249:-1]], None),
        ([*leads(120), lead(500, 9999), *leads(300)[120:]], None),
    ],
    ids=["in order", "last page oldest first", "one row"],
)
def test_only_a_list_that_is_wholly_in_order_is_sorted(
    rows: list[Row], is_sorted: bool | None
) -> None:
    plan = full(start=True)
    carry_out(plan, lambda request: rows[request.number * 50 :][:50])
    assert plan.outcome.is_sorted is is_sorted


# end


def empty_page(number: int, rows: list[Row], times: int = 99) -> Pages:
    """Serve one page of the descending list as an empty one."""
    left = [times]

    def serve(request: PageRequest) -> Sequence[Row]:
        if request.direction == "desc" and request.number == number and left[0]:
            left[0] -= 1
            return []
        return served(rows)(request)

    return serve


def test_a_page_that_was_empty_once_loses_nothing() -> None:
    plan = full()
    carried = carry_out(plan, empty_page(3, leads(300), times=1))
    assert set(carried.ids) == ids(leads(300))
    assert plan.outcome.is_complete
    assert ids(leads(300)[150:]) <= set(carried.ids[150:300])


def test_a_list_that_ends_early_twice_is_truncated() -> None:
    plan = full()
    carried = carry_out(plan, empty_page(4, leads(300)))
    assert set(carried.ids) == ids(leads(300))
    assert plan.outcome.is_truncated
    assert not plan.outcome.is_complete
    assert not plan.outcome.is_up_to_date
    assert plan.outcome.rows_listed == 200


def test_changes_of_a_truncated_list_are_proven_all_the_same() -> None:
    plan = full(start=True)
    carry_out(plan, empty_page(4, leads(300)))
    assert plan.outcome.is_truncated
    assert plan.outcome.is_up_to_date


def test_a_list_that_never_shows_more_than_its_first_rows_is_truncated() -> None:
    def serve(request: PageRequest) -> Sequence[Row]:
        return served(leads(300))(request) if request.number < 2 else []

    plan = full()
    carried = carry_out(plan, serve)
    assert plan.outcome.is_truncated
    assert len(set(carried.ids)) == 200


@pytest.mark.parametrize("count", [0, 1, 49, 50, 51, 100, 120])
def test_a_full_sync_of_a_list_at_rest_takes_three_more_requests_at_most(count: int) -> None:
    plan = full()
    carried = carry_out(plan, served(leads(count)))
    assert sorted(carried.ids) == list(range(1, count + 1)), "no row comes twice"
    assert plan.outcome.is_complete
    assert len(carried.requests) <= (count + 49) // 50 + 1 + 3


def same_direction(request: PageRequest) -> Sequence[Row]:
    return served(leads(120))(request._replace(direction="desc"))


def no_order(request: PageRequest) -> Sequence[Row]:
    rows = leads(120)
    if request.direction == "asc":
        return [*rows[60:10:-3], lead(500), *rows[90:20:-2]][:50]
    return served(rows)(request)


def failing(request: PageRequest) -> Sequence[Row] | Exception:
    return ApiError("no") if request.direction == "asc" else served(leads(120))(request)


def refusing(request: PageRequest) -> Sequence[Row] | Exception:
    return KeyRefusedError("no") if request.direction == "asc" else served(leads(120))(request)


@pytest.mark.parametrize("serve", [same_direction, no_order, failing, refusing])
def test_an_api_that_cannot_ascend_proves_nothing(serve: Serve) -> None:
    plan = full()
    carried = carry_out(plan, serve)
    assert plan.outcome.is_complete
    assert plan.outcome.rows_found == 0
    assert set(carried.ids) == ids(leads(120))


def test_rows_that_cannot_be_dated_do_not_make_a_list_truncated() -> None:
    rows = [*leads(60), *({**lead(n), "last_update": None} for n in range(100, 150))]
    hidden = {**lead(999), "last_update": None}

    def serve(request: PageRequest) -> Sequence[Row]:
        return served([*rows, hidden] if request.direction == "asc" else rows)(request)

    plan = full()
    carry_out(plan, serve)
    assert plan.outcome.is_complete


@pytest.mark.parametrize("undated", [20, 60])
def test_rows_without_a_date_at_the_other_end_do_not_hide_an_early_end(undated: int) -> None:
    """They are last in descending order, first in ascending."""
    dated, last = leads(240), [lead(500 + n, last_update=None) for n in range(undated)]

    def serve(request: PageRequest) -> Sequence[Row]:
        rows = [*dated, *last]
        if request.direction == "desc":
            return rows[request.number * 50 :][:50] if request.number < 2 else []
        return rows[::-1][request.number * 50 :][:50]

    plan = full()
    carried = carry_out(plan, serve)
    assert plan.outcome.is_truncated
    assert ids(dated) <= set(carried.ids)


# first page and page size


def from_page_one(request: PageRequest) -> Sequence[Row]:
    return served(leads(120))(request._replace(number=request.number - 1)) if request.number else []


@pytest.mark.parametrize("plan", [full(), incremental()], ids=["full", "incremental"])
def test_an_empty_first_page_before_one_with_rows_names_first_page(plan: Any) -> None:
    with pytest.raises(ApiError, match="first_page"):
        carry_out(plan, from_page_one)


def test_a_first_page_that_was_empty_once_loses_nothing() -> None:
    plan = full()
    carried = carry_out(plan, empty_page(0, leads(120), times=1))
    assert set(carried.ids) == ids(leads(120))
    assert plan.outcome.is_complete


@pytest.mark.parametrize("count", [300, 40])
@pytest.mark.parametrize("plan", [full(first_page=1), incremental(first_page=1)])
def test_a_first_page_that_is_the_second_one_fails(plan: Any, count: int) -> None:
    with pytest.raises(ApiError, match="first_page = 0"):
        carry_out(plan, served(leads(count)))


def test_a_first_page_that_became_the_second_one_fails_even_if_all_its_rows_changed() -> None:
    with pytest.raises(ApiError, match="first_page = 0"):
        carry_out(incremental(minutes_before=120, first_page=1), served(leads(300)))


def page_zero(rows: list[Any] | Exception) -> Serve:
    def serve(request: PageRequest) -> Any:
        return rows if request.number == 0 else from_page_one(request)

    return serve


@pytest.mark.parametrize(
    "serve",
    [page_zero(leads(50)), page_zero([]), page_zero(ApiError("404"))],
    ids=["first page", "empty", "error"],
)
def test_an_api_that_counts_from_one_may_have_any_page_zero(serve: Serve) -> None:
    plan = full(first_page=1)
    carried = carry_out(plan, serve)
    assert plan.outcome.is_complete
    assert set(carried.ids) == ids(leads(120))


def test_rows_that_arrive_in_an_empty_list_do_not_change_its_first_page() -> None:
    rows: list[Row] = []

    def serve(request: PageRequest) -> Sequence[Row]:
        if request.number == 0:
            rows.append(lead(1))
        return served(rows)(request._replace(number=max(request.number - 1, 0)))

    plan = full(first_page=1)
    carry_out(plan, serve)
    assert plan.outcome.is_complete


def capped(count: int, cap: int) -> Pages:
    """Cap the rows of a page, but count the pages by the size that was requested."""

    def serve(request: PageRequest) -> Sequence[Row]:
        ordered = served(leads(count), cap=10**6)(request._replace(number=0, size=10**6))
        return ordered[request.number * request.size :][: min(request.size, cap)]

    return serve


@pytest.mark.parametrize("end_of_list", ["empty", "short_page"])
@pytest.mark.parametrize(("size", "cap", "used"), [(100, 50, 50), (50, 20, 20), (100, 30, 30)])
def test_a_page_size_that_the_api_caps_skips_no_row(
    size: int, cap: int, used: int, end_of_list: str
) -> None:
    plan = full(size, end_of_list)
    carried = carry_out(plan, capped(300, cap))
    assert set(carried.ids) == ids(leads(300))
    assert plan.outcome.is_complete
    assert plan.outcome.page_size == used


def test_the_page_size_is_settled_in_an_incremental_sync_too() -> None:
    plan = incremental(minutes_before=300, page_size=100)
    carried = carry_out(plan, capped(400, 50))
    assert set(range(1, 300)) <= set(carried.ids)
    assert plan.outcome.page_size == 50


def test_a_cap_is_noticed_on_the_page_that_ends_an_incremental_sync() -> None:
    """80 leads changed; the second page, from the 101st on, is old."""
    plan = incremental(minutes_before=81, page_size=100)
    carried = carry_out(plan, capped(300, cap=50))
    assert ids(leads(80)) <= set(carried.ids)
    assert plan.outcome.page_size == 50


def short_page(short: set[int]) -> Pages:
    """Send 20 rows on the second page of these sizes, and leave out the others."""

    def serve(request: PageRequest) -> Sequence[Row]:
        rows = served(leads(300))(request)
        return rows[:20] if request.number == 1 and request.size in short else rows

    return serve


def test_a_short_page_before_others_is_no_proof_but_another_cut_can_be() -> None:
    plan = full(start=True)
    carried = carry_out(plan, short_page({50}))
    assert ids(leads(300)) <= set(carried.ids)
    assert plan.outcome.is_complete
    assert not plan.outcome.has_gap


def test_pages_that_are_short_in_any_cut_prove_nothing() -> None:
    plan = full()
    carry_out(plan, short_page({50, 100}))
    assert plan.outcome.has_gap
    assert not plan.outcome.is_complete
    plan = incremental(minutes_before=160)
    carry_out(plan, short_page({50, 100}))
    assert plan.outcome.has_gap


def test_an_api_with_a_page_size_of_its_own_is_listed_once() -> None:
    def serve(request: PageRequest) -> Sequence[Row]:
        return served(leads(300))(request._replace(size=100))

    plan = full()
    carried = carry_out(plan, serve)
    assert sorted(carried.ids) == list(range(1, 301))
    assert plan.outcome.page_size is None


def test_rows_that_fill_up_a_short_first_page_are_no_cap() -> None:
    rows = leads(49)

    def serve(request: PageRequest) -> Sequence[Row]:
        if request.number == 1 and len(rows) == 49:
            rows.extend([lead(500, -1), lead(501, -2)])
        return served(rows)(request)

    plan = full()
    carried = carry_out(plan, serve)
    assert plan.outcome.page_size is None
    assert plan.outcome.is_complete
    assert set(carried.ids) == ids(rows)


# ties


def tied(count: int = 300, tie: int = 120, by_request: bool = False) -> Pages:
    """Serve leads of which many share one `last_update` and change their order in each page."""
    rows = [lead(n, 100 if 100 <= n < 100 + tie else n + (n >= 100) * 200) for n in range(count)]
    rows.sort(key=lambda row: str(row["last_update"]), reverse=True)
    first = next(place for place, row in enumerate(rows) if row["crmhero_user_id"] == 100)
    requests = [0]

    def serve(request: PageRequest) -> Sequence[Row]:
        requests[0] += 1
        turn = 7 * (requests[0] if by_request else request.number) % tie
        same = rows[first : first + tie]
        listed = [*rows[:first], *same[turn:], *same[:turn], *rows[first + tie :]]
        if request.direction == "asc":
            listed.reverse()
        return listed[request.number * request.size :][: request.size]

    return serve


@pytest.mark.parametrize("by_request", [False, True])
def test_rows_of_one_last_update_that_change_places_prove_nothing(by_request: bool) -> None:
    plan = full()
    carried = carry_out(plan, tied(by_request=by_request))
    assert not plan.outcome.is_complete
    assert plan.outcome.unexplained_repeats > 0
    assert len(set(carried.ids)) > 290
    assert len(carried.requests) < 4 * 12


def test_changes_of_one_last_update_that_change_places_are_noticed() -> None:
    plan = incremental(minutes_before=290)
    carry_out(plan, tied())
    assert plan.outcome.unexplained_repeats > 0


def test_a_list_that_is_at_rest_in_another_cut_is_complete() -> None:
    def serve(request: PageRequest) -> Sequence[Row]:
        if request.direction == "desc" and request.size == 50:
            return tied()(request)
        return served(list(tied()(PageRequest(0, 300))))(request)

    plan = full()
    carried = carry_out(plan, serve)
    assert plan.outcome.is_complete
    assert set(carried.ids) == set(range(300))


def test_a_short_page_in_another_cut_is_no_proof() -> None:
    """The API caps a page at 50 rows, but counts the pages by the size requested."""

    def serve(request: PageRequest) -> Sequence[Row]:
        if request.size == 50:
            return tied()(request)
        return tied()(request)[:50]

    plan = full()
    carry_out(plan, serve)
    assert not plan.outcome.is_complete


# movement


def test_rows_that_move_to_the_head_are_read_there() -> None:
    rows = leads(300)

    def serve(request: PageRequest) -> Sequence[Row]:
        if request.number == 2 and request.direction == "desc":
            for place in range(200, 214):
                rows[place] = lead(place + 1, -place)
        return served(rows)(request)

    plan = full()
    carried = carry_out(plan, serve)
    assert set(carried.ids) == ids(rows)
    assert plan.outcome.is_complete


def test_the_head_is_read_for_20_pages_at_most() -> None:
    rows = leads(60)
    numbers = itertools.count(1000)

    def serve(request: PageRequest) -> Sequence[Row]:
        if request.direction == "asc":  # before the head is read
            rows.extend(lead(number, 100 - number) for number in itertools.islice(numbers, 5000))
        return served(rows)(request)

    plan = full()
    carried = carry_out(plan, serve)
    assert plan.outcome.is_complete
    assert [request.number for request in carried.requests[4:]] == list(range(20))


def test_a_row_that_changes_after_it_was_listed_is_read_again_whatever_the_clock_says() -> None:
    """A `last_update` beyond the clock of this machine is no cursor, but changes with the row."""
    rows = [lead(number, number - 2 * DAY) for number in range(1, 121)]

    def serve(request: PageRequest) -> Sequence[Row]:
        if request.number == 1:
            rows[4] = lead(5, -3 * DAY)
        return served(rows)(request)

    assert carry_out(full(), serve).ids.count(5) == 2


@pytest.mark.parametrize("page_size", [3, 10, 50])
def test_no_rule_raises_an_alarm_while_rows_move(page_size: int) -> None:
    """Before each page rows may arrive, change, leave the list or be committed late."""
    for seed in range(150):
        for plan in (full(page_size, start=bool(seed % 2)), incremental(seed % 90, page_size)):
            events = Events(seed, page_size)
            before = ids(events.rows)
            carried = carry_out(plan, events.serve)
            outcome = plan.outcome
            assert not outcome.is_misordered
            assert outcome.outliers == outcome.hidden_changes == 0
            assert outcome.is_sorted is not False
            assert not outcome.has_gap
            assert outcome.page_size is None
            if plan.lists_all:
                assert outcome.is_complete
                assert outcome.unexplained_repeats == 0
                missed = (before & ids(events.rows)) - set(carried.ids)
                assert len(missed) <= events.moved_up, "a row hides only behind one that left"


# endless lists


def test_a_last_page_that_comes_again_with_other_values_fails() -> None:
    signatures = iter(range(10**6))

    def serve(request: PageRequest) -> Sequence[Row]:
        number = min(request.number, 3)
        page = served(leads(200))(request._replace(number=number))
        return [{**row, "avatar_url": f"?sig={next(signatures)}"} for row in page]

    with pytest.raises(ApiError, match=r"short_page.*first_page"):
        carry_out(full(), serve, most=7)


def test_pages_in_a_circle_fail() -> None:
    def serve(request: PageRequest) -> Sequence[Row]:
        return served(leads(200))(request._replace(number=request.number % 4))

    with pytest.raises(ApiError, match=r"short_page.*first_page"):
        carry_out(full(), serve, most=30)


def test_a_long_list_is_not_endless() -> None:
    plan = full()
    carried = carry_out(plan, served(leads(5000)))
    assert len(carried.ids) == 5000
    assert plan.outcome.is_complete


# failures


def page_fails(number: int, count: int = 300) -> Serve:
    def serve(request: PageRequest) -> Sequence[Row] | Exception:
        if request.number == number and request.direction == "desc":
            return ApiError("HTTP 500")
        return served(leads(count))(request)

    return serve


def test_a_first_sync_fails_with_a_page() -> None:
    with pytest.raises(ApiError):
        carry_out(full(), page_fails(4))


def test_a_full_sync_of_which_a_page_fails_still_has_all_changes() -> None:
    plan = full(start=True)
    carried = carry_out(plan, page_fails(4))
    assert plan.outcome.is_up_to_date
    assert not plan.outcome.is_complete
    assert str(plan.outcome.failure) == "HTTP 500"
    assert plan.outcome.failed_at == (
        "page 4 of leads (after the contact 200 and before the contact 251)"
    )
    assert set(range(1, 201)) <= set(carried.ids)


def test_a_full_sync_fails_with_a_page_of_changes() -> None:
    with pytest.raises(ApiError):
        carry_out(full(start=True), page_fails(0))


def test_a_short_list_may_fail_past_its_end_where_set() -> None:
    plan = full(end_of_list="short_page")
    carried = carry_out(plan, page_fails(1, 30))
    assert plan.outcome.is_complete
    assert len(carried.ids) == 30
    with pytest.raises(ApiError):
        carry_out(full(end_of_list="short_page"), page_fails(1, 50))


# two breaches at once


def test_a_hole_is_noticed_where_the_api_ignores_the_direction() -> None:
    def serve(request: PageRequest) -> Sequence[Row]:
        if request.number == 2 and request.size == 50:
            return []
        return served(leads(300))(request._replace(direction="desc"))

    plan = full()
    carried = carry_out(plan, serve)
    assert plan.outcome.is_truncated
    assert len(set(carried.ids)) == 250


def test_a_hole_is_noticed_where_rows_without_a_date_fill_the_other_end() -> None:
    rows = [*leads(200), *({**lead(n), "last_update": None} for n in range(900, 960))]
    plan = full()
    carried = carry_out(plan, empty_page(2, rows, times=1))
    assert set(carried.ids) == ids(rows)
    assert plan.outcome.is_complete


@pytest.mark.parametrize("honours_direction", [True, False])
def test_a_cap_is_noticed_on_a_list_of_less_than_two_pages(honours_direction: bool) -> None:
    def serve(request: PageRequest) -> Sequence[Row]:
        direction = request.direction if honours_direction else "desc"
        return capped(80, 50)(request._replace(direction=direction))

    plan = full(page_size=100)
    carried = carry_out(plan, serve)
    assert set(carried.ids) == ids(leads(80))
    assert plan.outcome.is_complete
    assert plan.outcome.page_size == 50


def test_a_row_in_the_wrong_place_does_not_hide_an_early_end() -> None:
    changed = [lead(number, -number) for number in range(120, 0, -1)]
    rows = [*changed[:10], lead(999, 9999), *changed[10:], *leads(300)[120:]]
    plan = incremental()
    carry_out(plan, lambda request: [] if request.number else rows[:50])
    assert plan.outcome.has_ended


def test_a_page_without_keys_does_not_end_an_incremental_sync() -> None:
    changed = [lead(number, -number) for number in range(120, 0, -1)]
    keyless = [lead(None, -70, name=str(number)) for number in range(50)]
    rows = [*changed[:50], *keyless, *changed[50:], *leads(200)[120:]]
    carried = carry_out(incremental(), lambda request: rows[request.number * 50 :][:50])
    assert ids(changed) <= set(carried.ids)


@pytest.mark.parametrize("twice", [lead(None, 5), lead(5, 5)])
def test_a_row_that_is_always_listed_twice_is_no_unstable_list(twice: Row) -> None:
    plan = full()
    carry_out(plan, served([*leads(120), twice, twice]))
    assert plan.outcome.is_complete


def test_a_page_size_that_the_api_refuses_does_not_fail_an_unstable_list() -> None:
    def serve(request: PageRequest) -> Sequence[Row] | Exception:
        return ApiError("422") if request.size > 50 else tied()(request)

    plan = full()
    assert len(set(carry_out(plan, serve).ids)) > 280


@pytest.mark.parametrize("count", [30, 130])
def test_a_last_page_that_comes_again_is_the_end_where_set(count: int) -> None:
    def serve(request: PageRequest) -> Sequence[Row]:
        last = (count - 1) // 50
        return served(leads(count))(request._replace(number=min(request.number, last)))

    plan = full(end_of_list="short_page")
    carried = carry_out(plan, serve)
    assert set(carried.ids) == ids(leads(count))
    assert plan.outcome.is_complete


def test_pages_in_a_circle_fail_even_if_most_rows_lack_their_key() -> None:
    numbers = itertools.count()

    def serve(request: PageRequest) -> Sequence[Row]:
        keyless = [lead(None, name=str(next(numbers))) for _ in range(40)]
        return [*leads(10), *keyless]

    with pytest.raises(ApiError):
        carry_out(full(), serve, most=200)


def test_an_endless_list_in_another_cut_does_not_fail_the_sync() -> None:
    def serve(request: PageRequest) -> Sequence[Row]:
        last = request.number if request.direction == "desc" and request.size == 50 else 1
        return tied()(request._replace(number=min(request.number, last)))

    plan = full()
    assert len(set(carry_out(plan, serve).ids)) > 250
    assert not plan.outcome.is_complete


def test_a_head_that_fails_does_not_fail_a_sync_that_has_all_changes() -> None:
    """The first page fails from its second request on."""
    left = [1]

    def serve(request: PageRequest) -> Sequence[Row] | Exception:
        if request.direction == "desc" and request.number == 0 and not left.count(1):
            return ApiError("503")
        if request.direction == "desc":
            left[0] = 0
        return served(leads(120))(request)

    plan = full(start=True)
    carry_out(plan, serve)
    assert plan.outcome.is_complete
