"""Which customer project rows belong to."""

from typing import Any

import pytest

from extract.customer import CustomerProject
from extract.errors import SettingsError


def test_the_first_row_that_names_a_project_settles_it() -> None:
    project = CustomerProject()
    project.check([{"crmhero_user_id": 1}, {"app_id": None}, {"app_id": " "}, {"app_id": 4711}])
    assert project.app_id == "4711"


@pytest.mark.parametrize("row", [{}, {"app_id": None}, {"app_id": ""}, {"app_id": ["x"]}, "text"])
def test_a_row_that_names_no_project_belongs_to_any(row: Any) -> None:
    CustomerProject("4711").check([row])


def test_a_row_of_another_project_is_refused_and_both_are_named() -> None:
    project = CustomerProject("4711")
    project.check([{"app_id": "4711"}, {"app_id": " 4711 "}])
    with pytest.raises(SettingsError, match=r"'4712'.*'4711'.*--rebind"):
        project.check([{"app_id": "4711"}, {"app_id": "4712"}])
