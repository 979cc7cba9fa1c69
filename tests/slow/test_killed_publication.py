"""A publication that is killed at each of its steps. `make test` tries the decisive ones."""

from itertools import count

import pytest

from extract.folder import Folder
from publish.publication import publish
from tests.support.published import Fill
from tests.support.versions import IsTime, names, publish_and_die, seen


def before(step: int) -> IsTime:
    """Return what kills a publication when so many steps are done."""
    steps = count()
    return lambda _, is_done: not is_done and next(steps) == step


def test_a_publication_may_be_killed_at_any_step(
    folder: Folder, fill: Fill, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Readers see the old version or the new one, and the next publication is as good as any."""
    monkeypatch.setenv("ELT__KEEP_VERSIONS", "1")
    fill(0)
    publish(folder)
    number, step, was_killed = 0, 0, True
    while was_killed:
        fill(number + 1)
        was_killed = publish_and_die(folder, before(step))
        assert seen(folder) in ({number}, {number + 1})
        fill(number + 2)
        publish(folder)
        assert seen(folder) == {number + 2}
        assert len(names(folder)) == 3
        number, step = number + 2, step + 1
    assert step > 30
