"""What a check finds out about an API with four requests."""

from collections.abc import Sequence

import pytest

from extract.check_plan import CheckPlan
from extract.errors import ApiError
from extract.plan import PageRequest
from tests.support.builders import Row, lead, leads
from tests.support.plans import Serve, carry_out, served

ROWS = leads(120)


def found(serve: Serve, page_size: int = 50) -> list[tuple[str, str]]:
    plan = CheckPlan("leads", page_size, 0, "empty")
    assert len(carry_out(plan, serve).requests) <= 4
    return list(plan.findings())


def states(serve: Serve, page_size: int = 50) -> list[str]:
    return [state for state, _ in found(serve, page_size)]


def test_an_api_that_keeps_its_contract_has_nothing_to_warn_of() -> None:
    assert found(served(ROWS)) == [
        ("ok", "the pages descend by `last_update`"),
        ("ok", "a page has 50 rows, as requested"),
        ("ok", "the list ends, and its oldest rows can prove it"),
    ]


def test_an_empty_list_shows_nothing() -> None:
    assert found(served([])) == [("ok", "the list is empty")]


def test_pages_in_another_order_are_a_warning() -> None:
    def serve(request: PageRequest) -> Sequence[Row]:
        return ROWS[::-1][request.number * 50 :][:50]

    assert states(serve) == ["warning", "ok", "ok"]


def test_a_row_in_the_wrong_place_is_a_warning() -> None:
    rows = [*ROWS[:10], lead(999, 9999), *ROWS[10:]]
    (state, text), *_ = found(lambda request: rows[request.number * 50 :][:50])
    assert (state, text[:5]) == ("warning", "1 row")


def test_a_capped_page_size_is_a_warning() -> None:
    assert states(served(ROWS, cap=30), page_size=100) == ["ok", "warning", "ok"]
    assert "page_size = 30" in found(served(ROWS, cap=30), page_size=100)[1][1]


def test_a_list_without_an_end_is_a_failure() -> None:
    def serve(request: PageRequest) -> Sequence[Row]:
        return served(ROWS)(request._replace(number=min(request.number, 2)))

    state, text = found(serve)[-1]
    assert state == "failed"
    assert 'end_of_list = "short_page"' in text


def test_an_error_far_past_the_end_is_a_warning() -> None:
    def serve(request: PageRequest) -> Sequence[Row] | Exception:
        return ApiError("no such page") if request.number > 2 else served(ROWS)(request)

    state, text = found(serve)[-1]
    assert state == "warning"
    assert 'end_of_list = "short_page"' in text


def test_a_first_page_with_two_numbers_is_a_warning() -> None:
    def serve(request: PageRequest) -> Sequence[Row]:
        return served(ROWS)(request._replace(number=max(0, request.number - 1)))

    state, text = found(serve)[1]
    assert state == "warning"
    assert "first_page = 1" in text


def test_an_api_that_cannot_ascend_is_no_warning() -> None:
    def serve(request: PageRequest) -> Sequence[Row]:
        return served(ROWS)(request._replace(direction="desc"))

    assert states(serve) == ["ok", "ok", "ok"]
    assert "cannot show" in found(serve)[-1][1]


def test_an_empty_first_page_before_one_with_rows_is_a_failure() -> None:
    def serve(request: PageRequest) -> Sequence[Row]:
        if not request.number:
            return []
        return served(ROWS)(request._replace(number=request.number - 1))

    with pytest.raises(ApiError, match="first_page"):
        found(serve)
