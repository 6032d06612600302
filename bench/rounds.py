"""Alternating rounds: a figure of the service and its limit, one after the other, and the spread.

Within a round both are measured on the same machine in the same seconds, so that their ratio does
not depend on what else the machine does meanwhile, as far as that is possible.
"""

import statistics
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Self

Measure = Callable[[], Awaitable[float]]
"""Measures one figure once."""


@dataclass(frozen=True, slots=True)
class Round:
    """The two figures of one round, in the same unit."""

    measured: float
    limit: float

    @property
    def ratio(self) -> float:
        """The measured figure in units of its limit."""
        return self.measured / self.limit


@dataclass(frozen=True, slots=True)
class Result:
    """All rounds of a row, and what was counted meanwhile, if anything: how many of what."""

    rounds: tuple[Round, ...]
    count: float | None = None
    counted: str = ""

    @property
    def ratio(self) -> float:
        """The median of the rounds' ratios."""
        return statistics.median(each.ratio for each in self.rounds)

    @property
    def spread(self) -> tuple[float, float]:
        """The lowest and the highest ratio of a round."""
        ratios = [each.ratio for each in self.rounds]
        return min(ratios), max(ratios)

    @property
    def measured(self) -> float:
        """The median of the measured figures."""
        return statistics.median(each.measured for each in self.rounds)

    @property
    def limit(self) -> float:
        """The median of the limits."""
        return statistics.median(each.limit for each in self.rounds)

    @property
    def note(self) -> str:
        """The count as text; empty without one."""
        return "" if self.count is None else f"{self.count:,g} {self.counted}"

    def with_count(self, count: float, counted: str) -> Self:
        """Return the result with a count."""
        return replace(self, count=count, counted=counted)


async def alternate(rounds: int, measured: Measure, limit: Measure) -> Result:
    """Measure both in each round; which of them comes first changes from round to round."""
    found = []
    for number in range(rounds):
        if number % 2:
            below = await limit()
            found.append(Round(await measured(), below))
        else:
            above = await measured()
            found.append(Round(above, await limit()))
    return Result(tuple(found))
