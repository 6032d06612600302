"""Fair scheduling of reconciliations: tools take turns, and a slow tool does not delay others.

The number of concurrent reconciliations is limited, in total and per tool. A slow reconciliation
mostly waits for I/O, so it frees its slot for other tools. It still counts for the limit of its own
tool.
"""

from collections import Counter, deque
from dataclasses import dataclass

from components.engine.context import MAX_PAUSE

Key = tuple[str, str]
"""A deployment: its tool, and its id."""

SLOTS = 20
"""How many deployments are reconciled at a time, not counting slow ones."""

MAX_PER_TOOL = 2
"""How many of them may belong to one tool, counting slow ones."""

FIRST_PAUSE_SECONDS = 1.0
MAX_PAUSE_SECONDS = MAX_PAUSE.total_seconds()
"""The pause between reconciliations: short after a change, longer each time without one."""

WAITING_PAUSE_SECONDS = 2.0
"""The longest pause of a waiting deployment: another instance may end those ahead of it."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a deployment is due next, by the event loop's clock, and its last pause.

    `cancelled` is whether its cancellation was known at its last reconciliation.
    """

    due: float
    pause: float = 0.0
    cancelled: bool = False


def next_pause(schedule: Schedule, *, changed: bool, waiting: bool) -> float:
    """Return the pause of a deployment that was just reconciled."""
    if changed:
        return FIRST_PAUSE_SECONDS
    longest = WAITING_PAUSE_SECONDS if waiting else MAX_PAUSE_SECONDS
    return min(max(schedule.pause * 1.5, FIRST_PAUSE_SECONDS), longest)


class FairQueue:
    """The deployments that are waiting or being reconciled; each is here at most once."""

    def __init__(self, slots: int = SLOTS, max_per_tool: int = MAX_PER_TOOL) -> None:
        self._slots = slots
        self._max_per_tool = max_per_tool
        self._waiting: dict[Key, float] = {}
        self._queued: dict[str, deque[Key]] = {}
        self._ready: dict[str, None] = {}
        """The tools with a deployment that may be taken, in the order of their turns."""
        self._running: set[Key] = set()
        self._of_tool: Counter[str] = Counter()
        self._in_slot: set[Key] = set()

    def add(self, key: Key, due: float) -> None:
        """Add a deployment that has been due since `due`, unless it is waiting or running."""
        if key in self._waiting or key in self._running:
            return
        self._waiting[key] = due
        self._queued.setdefault(key[0], deque()).append(key)
        self._mark_ready(key[0])

    def take(self) -> Key | None:
        """Take the next deployment, which is then running; None without one or a free slot."""
        if not self._ready or len(self._in_slot) >= self._slots:
            return None
        tool = next(iter(self._ready))
        del self._ready[tool]
        key = self._queued[tool].popleft()
        if not self._queued[tool]:
            del self._queued[tool]
        del self._waiting[key]
        self._running.add(key)
        self._in_slot.add(key)
        self._of_tool[tool] += 1
        self._mark_ready(tool)
        return key

    def free_slot(self, key: Key) -> None:
        """Free the slot of a deployment that is still running."""
        self._in_slot.discard(key)

    def done(self, key: Key) -> None:
        """Mark a running deployment as done."""
        tool = key[0]
        self._running.remove(key)
        self._in_slot.discard(key)
        self._of_tool[tool] -= 1
        if not self._of_tool[tool]:
            del self._of_tool[tool]
        self._mark_ready(tool)

    def oldest_due(self) -> float | None:
        """Return the due time of the longest waiting deployment; None where none waits."""
        return min(self._waiting.values(), default=None)

    def _mark_ready(self, tool: str) -> None:
        if tool in self._queued and self._of_tool[tool] < self._max_per_tool:
            self._ready.setdefault(tool)
