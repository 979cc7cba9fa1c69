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
    # Who has no browser or PostgreSQL can still run all other tests; pytest's summary shows what
    # was left out and how to install it. CI sets NO_SKIPS, so nothing is left out there.
    pytest.skip(needed)
