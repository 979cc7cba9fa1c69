"""The command `elt` as tests call it, and what they ask of its warehouse."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

API_KEY = "recognisable-key-4711"


@dataclass
class Outcome:
    """How a command ended, and what it printed."""

    exit_code: int
    stdout: str
    stderr: str


Elt = Callable[..., Outcome]
Query = Callable[[str], list[tuple[Any, ...]]]
