"""Whether pages descend by `last_update`, and where an incremental sync may stop."""

import itertools

import pytest

from extract.order import DescendingOrder, ascends, longest_descent

START = 1000.0  # the starting point


def order(*pages: list[float | None], newest_known: float = START) -> DescendingOrder:
    """Judge pages in their order; the listing began with the newest row of the first one."""
    judged = DescendingOrder(START, newest_known)
    began_at = max((value for value in pages[0] if value is not None), default=9999.0)
    for page in pages:
        judged.add(page, began_at)
    return judged


def down(newest: float, count: int = 50) -> list[float | None]:
    return [newest - place for place in range(count)]


def test_a_page_of_old_rows_is_the_last() -> None:
    assert not order(down(START + 20)).is_passed
    assert order(down(START + 20), down(START - 30)).is_passed
    assert not order(down(START + 60), down(START + 10)).is_passed


def test_old_rows_at_the_end_of_a_page_with_changes_prove_nothing() -> None:
    page = [*down(START + 100, 40), *down(10, 10)]
    assert not order(page).is_passed
    assert order(page, down(START + 50)).is_broken


def test_a_small_page_of_old_rows_proves_nothing_alone() -> None:
    news = [down(START + 40 - 2 * page, 2) for page in range(5)]
    assert not order(*news, [10.0, 9.0], [8.0, 7.0]).is_passed
    assert order(*news, [10.0, 9.0], [8.0, 7.0], [6.0, 5.0]).is_passed


@pytest.mark.parametrize("page", [[], [None] * 50])
def test_a_page_without_cursors_proves_nothing(page: list[float | None]) -> None:
    """All rows of a page may lack their key, or be those of the page before."""
    assert not order(down(START + 60), page).is_passed


def test_one_old_row_is_enough_where_nothing_changed() -> None:
    page = down(START + 49, 49)
    assert order([*page, START - 1], newest_known=START + 49).is_passed
    assert not order([*page, START - 1], newest_known=START + 48).is_passed


def test_a_few_rows_in_order_prove_nothing() -> None:
    assert not order([START + 4, START - 1], newest_known=START + 4).is_passed
    assert not order([START + 9, START - 1, START - 2, START - 3]).is_passed


@pytest.mark.parametrize("place", [0, 10, 48, 49])
@pytest.mark.parametrize("pinned", [1.0, START + 500])
def test_a_row_in_the_wrong_place_neither_stops_nor_breaks_the_order(
    place: int, pinned: float
) -> None:
    pages: list[list[float | None]] = [down(START + 120), down(START + 70), down(START + 20)]
    pages[0][place] = pinned
    assert not order(pages[0]).is_passed
    pages.append(down(START - 30))
    assert not order(*pages[:3]).is_passed
    judged = order(*pages)
    assert judged.is_passed
    assert not judged.is_broken
    is_first = place == 0 and pinned > START
    is_last = place == 49 and pinned < START  # like a row whose last_update became older
    assert judged.outliers == (not is_first and not is_last)


def test_five_rows_of_a_page_may_be_in_the_wrong_place_and_no_more() -> None:
    page = down(START + 60)
    for place in (5, 15, 25, 35, 45):
        page[place] = 1.0
    assert order(page).outliers == 5
    assert not order(page).is_broken
    page[10] = 1.0
    assert order(page).is_broken


@pytest.mark.parametrize("size", [2, 3, 10, 50])
def test_pages_that_ascend_or_are_in_no_order_break_it(size: int) -> None:
    rows = [START + place for place in range(-100, 100)]
    by_id = sorted(rows, key=lambda row: row * 37 % 101)
    for listed in (rows, by_id):
        pages = [list(listed[at : at + size]) for at in range(0, len(listed), size)]
        judged = DescendingOrder(START, START + 50)
        for page in pages:
            judged.add(page, max(pages[0]))
            assert not judged.is_passed
            if judged.is_broken:
                break
        assert judged.is_broken


def test_a_page_of_one_last_update_proves_nothing() -> None:
    assert not order(down(START + 60), [START - 5] * 50).is_passed
    assert order(down(START + 60), [START - 5] * 50, down(START - 5)).is_passed


def test_rows_without_a_cursor_and_rows_that_changed_since_prove_nothing() -> None:
    page = down(START + 40)
    assert not order([None] * 50, newest_known=2 * START).is_passed
    later = [START + 40, START + 90, None, *down(START - 20, 47)]
    judged = order(page, later)
    assert judged.is_passed
    assert judged.outliers == 0


def test_the_longest_descent_leaves_out_the_fewest_values() -> None:
    for values in itertools.product((1.0, 2.0, 3.0), repeat=6):
        places = longest_descent(values)
        kept = [values[place] for place in places]
        assert kept == sorted(kept, reverse=True)
        assert places == sorted(places)
        assert not any(
            all(one >= other for one, other in itertools.pairwise(longer))
            for longer in itertools.combinations(values, len(places) + 1)
        )


def test_a_page_ascends_some_outliers_aside() -> None:
    assert ascends([float(number) for number in range(50)])
    assert ascends([*map(float, range(45)), 1.0, 2.0, 3.0, 4.0, 5.0])
    assert not ascends([*map(float, range(44)), 1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
    assert not ascends([2.0, 1.0])
