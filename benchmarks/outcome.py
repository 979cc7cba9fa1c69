"""What a scenario found."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Goal:
    """A figure and the most that it should be."""

    text: str
    measured: float
    limit: float
    unit: str = ""

    @property
    def is_reached(self) -> bool:
        """Tell whether it is no more."""
        return self.measured <= self.limit


@dataclass(frozen=True)
class Bar:
    """A figure for the picture, in one of its panels."""

    panel: str
    loader: str
    value: float


@dataclass
class Outcome:
    """A scenario's tables, goals and bars.

    Args:
        about: what was measured, in a sentence or two.
        columns: heads of the table.
        rows: its cells.
        notes: lines below the table.
    """

    about: str
    columns: list[str]
    rows: list[list[str]] = field(default_factory=list)
    goals: list[Goal] = field(default_factory=list)
    bars: list[Bar] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def mebibytes(memory: float) -> str:
    """Return a figure of memory as people read it; 0 was not measured."""
    return f"{memory:,.0f} MiB" if memory else "not measured"
