"""The figures of the project: what each compares, and what it has to keep to. Nothing is measured here."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from attrs import frozen

# What becomes of a measurement, which is in seconds or bytes, in each unit; and how many digits people want of it.
UNITS: dict[str, tuple[Callable[[float], float], int]] = {
    "ms": (lambda seconds: seconds * 1e3, 1),
    "µs": (lambda seconds: seconds * 1e6, 0),
    "s": (lambda seconds: seconds, 2),
    "MB": (lambda size: size / 1e6, 1),
    "kB": (lambda size: size / 1e3, 0),
    "requests/s": (lambda seconds: 1 / seconds, 0),
}

# How far beyond its goal a figure may be before --check fails: a machine that does other things too is that unsteady.
HEADROOM = 1.15


@frozen
class Goal:
    """What a measurement has to keep to.

    Attributes:
        beside: The measurement that it is held against; None for the bare value.
        name: What people call that other side.
        most: The ratio, or value in the figure's unit, that it may have at the most.
        least: The value that it has to have at the least, where more is better.
    """

    beside: str | None = None
    name: str = ""
    most: float = math.inf
    least: float = 0.0

    def met(self, value: float, headroom: float = 1.0) -> bool:
        """Whether the value, or ratio, is what it should be."""
        return self.least / headroom <= value <= self.most * headroom

    def __str__(self) -> str:
        if self.least:
            return f"≥ {self.least:,.0f}"
        if self.beside is None:
            return f"≤ {self.most:g}"
        return "" if self.most == math.inf else f"≤ {self.most:.3g} × {self.name}"


@frozen
class Figure:
    """A row of the table.

    Attributes:
        what: What is measured.
        measurement: The measurement of ours.
        unit: A key of UNITS.
        goals: What it is held against; a goal without a bound only shows the other side.
        steady: Whether it is the same on every machine, so that no headroom is given.
    """

    what: str
    measurement: str
    unit: str
    goals: tuple[Goal, ...] = ()
    steady: bool = False

    def value(self, measured: float) -> float:
        """A measurement in this figure's unit."""
        return UNITS[self.unit][0](measured)

    def written(self, measured: float) -> str:
        """A measurement as people read it."""
        return f"{self.value(measured):,.{UNITS[self.unit][1]}f} {self.unit}"

    def held(self, goal: Goal, medians: Mapping[str, float]) -> float:
        """What a goal is compared with: a ratio, or the value in this figure's unit."""
        measured = medians[self.measurement]
        return self.value(measured) if goal.beside is None else measured / medians[goal.beside]

    def missed(self, medians: Mapping[str, float], headroom: float) -> list[Goal]:
        """The goals that the medians do not meet."""
        headroom = 1.0 if self.steady else headroom
        return [goal for goal in self.goals if not goal.met(self.held(goal, medians), headroom)]


def _httpx(measurement: str, most: float = math.inf) -> Goal:
    return Goal(f"{measurement} httpx", "httpx", most)


def _vendor(measurement: str, most: float = math.inf) -> Goal:
    return Goal(f"{measurement} vendor", "vendor", most)


FIGURES = (
    Figure("`import incident_io_keys`", "import ours", "ms", (_httpx("import", 1.8), _vendor("import"))),
    Figure(
        "memory of a process after that import",
        "import memory ours",
        "MB",
        (Goal(most=30), _httpx("import memory"), _vendor("import memory")),
    ),
    Figure(
        "from `import` to the first response",
        "first response ours",
        "ms",
        (_httpx("first response", 1.7), _vendor("first response", 1 / 4)),
    ),
    Figure(
        "read the bytes of 5,000 keys, CPU",
        "decode ours",
        "ms",
        (Goal("decode json", "`json.loads`", 1), _vendor("decode")),
    ),
    Figure("list 5,000 keys, CPU", "list ours", "ms", (_httpx("list", 0.90), _vendor("list", 1 / 4))),
    Figure("show a key, CPU", "show ours", "µs", (_httpx("show", 1.05), _vendor("show"))),
    Figure("show 200 keys concurrently, async, CPU for each", "concurrent ours", "µs", (_httpx("concurrent", 1.0),)),
    *(
        Figure(
            f"peak memory of a loop over {keys:,} keys",
            f"memory {keys}",
            "kB",
            (Goal("memory page", "a page", 1.6),),
            steady=True,
        )
        for keys in (500, 5_000, 50_000)
    ),
    Figure(
        "the longest that a call takes beyond its deadline on a hostile body",
        "hostile deadline",
        "s",
        (Goal(most=0.3),),
    ),
    Figure(
        "the longest that the event loop is blocked by a hostile body",
        "hostile loop",
        "s",
        (Goal(most=0.3),),
    ),
    *(
        Figure(
            f"20 pages with `prefetch=True`, {kind}, 50 ms a page at the server and 50 ms at the consumer",
            f"prefetch {kind}",
            "s",
            (Goal(f"prefetch {kind} without", "without", 0.60),),
        )
        for kind in ("sync", "async")
    ),
    *(
        Figure(
            f"`incident-io-keys {command}`",
            f"command {command}",
            "ms",
            # The import of this package, click and rich. httpx imports the last two as well, for a command of its own.
            (Goal("command httpx", '`python -c "import httpx"`', 2.3),),
        )
        for command in ("--help", "roles")
    ),
    Figure("`scripts/generate`", "generate", "s", (Goal(most=5),)),
    Figure("the mock, to one client that keeps its connection", "mock", "requests/s", (Goal(least=1_000),)),
)
