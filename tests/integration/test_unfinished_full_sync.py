"""Full syncs that were cut off after their load: the next run finishes them."""

from collections.abc import Sequence

import dlt
import pytest

from extract import warehouse
from tests.support.builders import Lists, Load, leads, users
from tests.support.elt import Elt, Query
from tests.support.syncs import DAYS, lead_ids, mode

pytestmark = pytest.mark.usefixtures("without_models")


@pytest.mark.usefixtures("full_syncs")
def test_a_removal_that_fails_removes_nothing_and_the_next_run_finishes_it(
    lists: Lists, loaded: Load, elt: Elt, query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded(leads(10), users(10))
    lists["leads"], lists["users"] = leads(7), users(7)
    remove = warehouse.remove_unlisted

    def remove_and_fail(
        pipeline: dlt.Pipeline, load_ids: list[str], names: Sequence[str]
    ) -> dict[str, int]:
        return remove(pipeline, load_ids, [*names, "no_such_table"])

    with monkeypatch.context() as broken:
        broken.setattr(warehouse, "remove_unlisted", remove_and_fail)
        assert elt("run").exit_code == 1
    assert len(lead_ids(query)) == 10
    assert query("select count(*) from raw.users") == [(10,)]
    # what was begun is finished, even where no full sync is made for its age
    monkeypatch.setenv(DAYS, "0")
    assert elt("run").exit_code == 0
    assert mode(query) == "full"
    assert len(lead_ids(query)) == 7
    assert query("select count(*) from raw.users") == [(7,)]
    assert elt("run").exit_code == 0
    assert mode(query) == "incremental"
