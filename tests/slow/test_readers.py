"""Readers at work through many publications, which remove versions that were read."""

import pytest

from extract.folder import Folder
from tests.support.published import Fill
from tests.support.readers import read_through

PUBLICATIONS = 50


def test_every_read_through_50_publications_is_whole_and_of_one_version(
    folder: Folder, fill: Fill, monkeypatch: pytest.MonkeyPatch
) -> None:
    # a reader would have to sleep through as many publications to lose a version it has begun
    monkeypatch.setenv("ELT__KEEP_VERSIONS", str(PUBLICATIONS // 2))
    read_through(folder, fill, PUBLICATIONS)
