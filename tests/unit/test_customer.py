"""Which customer project rows belong to."""

from typing import Any

import pytest

from extract.customer import CustomerProject, project_id
from extract.errors import SettingsError


def test_the_first_row_that_names_a_project_settles_it() -> None:
    project = CustomerProject()
    project.check([{"crmhero_user_id": 1}, {"app_id": None}, {"app_id": " "}, {"app_id": 4711}])
    assert project.app_id == "4711"


NAMELESS: list[Any] = [None, "", " ", 0, "0", "null", "None", "undefined", True, ["x"], {"id": 1}]


@pytest.mark.parametrize("row", ["text", {}, *({"app_id": value} for value in NAMELESS)], ids=str)
def test_a_row_that_names_no_project_belongs_to_any(row: Any) -> None:
    CustomerProject("4711").check([row])


def test_a_row_of_another_project_is_refused_and_both_are_named() -> None:
    project = CustomerProject("4711")
    project.check([{"app_id": "4711"}, {"app_id": " 4711 "}, {"app_id": 4711.0}])
    with pytest.raises(SettingsError, match=r"'4712'.*'4711'.*--rebind"):
        project.check([{"app_id": "4711"}, {"app_id": "4712"}])


@pytest.mark.parametrize("app_id", [4712.0, 4712, "4712", "abc"])
def test_another_project_is_noticed_in_any_spelling(app_id: Any) -> None:
    with pytest.raises(SettingsError):
        CustomerProject("4711").check([{"app_id": app_id}])


@pytest.mark.parametrize(("stored", "known"), [("4711.0", "4711"), ("0", None), (None, None)])
def test_the_project_of_stored_rows_is_read_as_that_of_new_ones(
    stored: str | None, known: str | None
) -> None:
    assert project_id(stored) == known
