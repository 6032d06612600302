"""Whose turn it is: tools take turns, and nobody's trouble holds the others up.

So many are moved on at a time, and of one tool only a share of them. Whoever waits for somebody
else costs nothing, so a move that takes long gives its place to others; of its tool no more are
moved on for that.
"""

from collections import Counter, deque
from dataclasses import dataclass

from components.engine.context import MAX_PAUSE

Key = tuple[str, str]
"""A deployment: its tool, and its id."""

SLOTS = 20
"""How many deployments are moved on at a time, those apart that take long."""

MAX_PER_TOOL = 2
"""How many of one tool are, those that take long among them."""

FIRST_PAUSE_SECONDS = 1.0
MAX_PAUSE_SECONDS = MAX_PAUSE.total_seconds()
"""How long a deployment is left alone: short after a change, longer each time without one."""

WAITING_PAUSE_SECONDS = 2.0
"""The longest for one that waits for its turn, which another instance may have made room for."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a deployment is due next, by the loop's clock, and how long it was left alone.

    `cancelled` is whether somebody had cancelled it by then.
    """

    due: float
    pause: float = 0.0
    cancelled: bool = False


def next_pause(schedule: Schedule, *, changed: bool, waiting: bool) -> float:
    """Return for how long one is left alone that was just moved on."""
    if changed:
        return FIRST_PAUSE_SECONDS
    longest = WAITING_PAUSE_SECONDS if waiting else MAX_PAUSE_SECONDS
    return min(max(schedule.pause * 1.5, FIRST_PAUSE_SECONDS), longest)


class FairQueue:
    """The deployments that wait to be moved on, and those that are: each is one of them once."""

    def __init__(self, slots: int = SLOTS, max_per_tool: int = MAX_PER_TOOL) -> None:
        self._slots = slots
        self._max_per_tool = max_per_tool
        self._waiting: dict[Key, float] = {}
        self._queued: dict[str, deque[Key]] = {}
        self._ready: dict[str, None] = {}
        """The tools of which one may be moved on, in the order of their turns."""
        self._running: set[Key] = set()
        self._of_tool: Counter[str] = Counter()
        self._in_slot: set[Key] = set()

    def add(self, key: Key, due: float) -> None:
        """Let one wait that is due since then, unless it does already or is being moved on."""
        if key in self._waiting or key in self._running:
            return
        self._waiting[key] = due
        self._queued.setdefault(key[0], deque()).append(key)
        self._mark_ready(key[0])

    def take(self) -> Key | None:
        """Return whose turn it is, who is being moved on from now on; None where nobody may."""
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
        """Give the place of one to others, while it is still being moved on."""
        self._in_slot.discard(key)

    def done(self, key: Key) -> None:
        """Note that one that was taken is not being moved on any more."""
        tool = key[0]
        self._running.remove(key)
        self._in_slot.discard(key)
        self._of_tool[tool] -= 1
        if not self._of_tool[tool]:
            del self._of_tool[tool]
        self._mark_ready(tool)

    def oldest_due(self) -> float | None:
        """Return since when the one is due that has waited longest; None where nobody waits."""
        return min(self._waiting.values(), default=None)

    def _mark_ready(self, tool: str) -> None:
        if tool in self._queued and self._of_tool[tool] < self._max_per_tool:
            self._ready.setdefault(tool)
