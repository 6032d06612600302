"""A breaker for a builder that does not answer: one at a time asks it until it answers again.

It may be the builder, or what it needs for one tool; so each tool has its own. Of which tool some
questions in a row got no answer, there is one question at a time, and all others fail at once. Of
all those tools together, too, only so many are asked for: an outage costs no more than that.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from backends.errors import BackendError, BackendUnavailable

IN_A_ROW = 3
"""After how many questions without an answer there is only one at a time."""

PROBES = 20
"""How many such questions there are at a time, of all tools."""

LONG_SECONDS = 1.0
"""A builder that is away and says so sooner than that costs nothing."""

MOST_TOOLS = 10_000
"""Of how many tools it is remembered that they get no answer."""


class NotAsked(BackendUnavailable):
    """The builder has not answered lately, and somebody else is asking it already."""

    def __init__(self) -> None:
        super().__init__("it has not answered lately, and is being tried", maybe_started=False)


class Breaker:
    """What is known of whether the builder answers, by tool."""

    def __init__(self) -> None:
        self._unanswered: dict[str, int] = {}
        self._probes: set[str] = set()

    def lets(self, tool: str) -> bool:
        """Return whether the builder would be asked for a tool now."""
        return not self._is_silent(tool) or (
            tool not in self._probes and len(self._probes) < PROBES
        )

    @asynccontextmanager
    async def asking(self, tool: str, seconds: float) -> AsyncIterator[None]:
        """Let the builder be asked something for a tool, for no longer than `seconds`.

        Raises `NotAsked` where it is not to be asked, and `TimeoutError`.
        """
        if not self.lets(tool):
            raise NotAsked
        is_probe = self._is_silent(tool)
        if is_probe:
            self._probes.add(tool)
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            async with asyncio.timeout(seconds):
                yield
        except TimeoutError:
            self._count(tool)
            raise
        except BackendUnavailable:
            if loop.time() - began >= LONG_SECONDS:
                self._count(tool)
            raise
        except BackendError:
            self._unanswered.pop(tool, None)
            raise
        else:
            self._unanswered.pop(tool, None)
        finally:
            if is_probe:
                self._probes.discard(tool)

    def _is_silent(self, tool: str) -> bool:
        return self._unanswered.get(tool, 0) >= IN_A_ROW

    def _count(self, tool: str) -> None:
        self._unanswered[tool] = self._unanswered.pop(tool, 0) + 1
        if len(self._unanswered) > MOST_TOOLS:
            # The one that was asked for longest ago.
            del self._unanswered[next(iter(self._unanswered))]
