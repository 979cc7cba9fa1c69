"""Tests that need a program of the system, which no Python package brings."""

import os
from typing import NoReturn

import pytest

# set where everything is installed: a program that is not found is a failure
NO_SKIPS = "ELT_TESTS_NO_SKIPS"


def skip_without(needed: str) -> NoReturn:
    """Skip a test, or let it fail where nothing may be skipped.

    Args:
        needed: the program and how to install it; pytest's summary shows it.
    """
    if NO_SKIPS in os.environ:
        pytest.fail(needed)
    # The reason to skip: only the tests of the dashboard and of PostgreSQL need such a program. A
    # contributor without it can still run all others, and pytest's summary names what was left out
    # and how to install it. CI, which sets NO_SKIPS, leaves out none.
    pytest.skip(needed)
