"""Fixtures of the unit tests: the source and its API, but no warehouse."""

from typing import Any

import pytest

from extract.folder import Folder
from extract.sandbox.server import ApiServer
from tests.support.builders import Lists, leads, users
from tests.support.sync import Source


@pytest.fixture(autouse=True)
def without_warehouse(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail a test that opens a warehouse: it belongs to another layer."""

    def connect(folder: Folder, *_: Any) -> None:
        pytest.fail(f"a unit test opened {folder.warehouse}")

    monkeypatch.setattr(Folder, "connect", connect)


@pytest.fixture
def source() -> Source:
    """The source, whose cursors are stored from one sync to the next."""
    return Source()


@pytest.fixture
def full_api(lists: Lists, api: ApiServer) -> ApiServer:
    """The API with 200 leads on 4 pages and 60 users on 2, each followed by an empty page."""
    lists["leads"], lists["users"] = leads(200), users(60)
    return api
