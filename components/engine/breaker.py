"""A circuit breaker for a builder that does not respond.

The cause may be the builder, or its resources for one tool; so each tool has its own circuit. After
some consecutive calls without a response, a tool's circuit is open: one call at a time probes the
builder, and all others fail at once. The number of concurrent probes of all tools is limited too.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from backends.errors import BackendError, BackendUnavailable

FAILURE_THRESHOLD = 3
"""After how many consecutive calls without a response a circuit opens."""

MAX_PROBES = 20
"""How many probes run at a time, for all tools."""

SLOW_SECONDS = 1.0
"""A call that fails faster than this does not count."""

MAX_TOOLS = 10_000
"""For how many tools failures are remembered."""


class CircuitOpen(BackendUnavailable):
    """The circuit is open, and another call is already probing the builder."""

    def __init__(self) -> None:
        super().__init__("it has not responded recently, and is being probed", maybe_started=False)


class Breaker:
    """The circuits of all tools."""

    def __init__(self) -> None:
        self._failures: dict[str, int] = {}
        self._probes: set[str] = set()

    def allows(self, tool: str) -> bool:
        """Return whether a call of the builder for a tool would be let through now."""
        return not self._is_open(tool) or (
            tool not in self._probes and len(self._probes) < MAX_PROBES
        )

    @asynccontextmanager
    async def guard(self, tool: str, seconds: float) -> AsyncIterator[None]:
        """Guard a call of the builder for a tool, with a timeout of `seconds`.

        Raises `CircuitOpen` if the call is not let through, and `TimeoutError`.
        """
        if not self.allows(tool):
            raise CircuitOpen
        is_probe = self._is_open(tool)
        if is_probe:
            self._probes.add(tool)
        loop = asyncio.get_running_loop()
        started = loop.time()
        try:
            async with asyncio.timeout(seconds):
                yield
        except TimeoutError:
            self._count_failure(tool)
            raise
        except BackendUnavailable:
            if loop.time() - started >= SLOW_SECONDS:
                self._count_failure(tool)
            raise
        except BackendError:
            self._failures.pop(tool, None)
            raise
        else:
            self._failures.pop(tool, None)
        finally:
            if is_probe:
                self._probes.discard(tool)

    def _is_open(self, tool: str) -> bool:
        return self._failures.get(tool, 0) >= FAILURE_THRESHOLD

    def _count_failure(self, tool: str) -> None:
        self._failures[tool] = self._failures.pop(tool, 0) + 1
        if len(self._failures) > MAX_TOOLS:
            # The tool whose last failure is the oldest.
            del self._failures[next(iter(self._failures))]
