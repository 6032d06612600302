"""What was begun and is brought to its end, whoever has stopped waiting for it."""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, TypeVar
from weakref import WeakValueDictionary

T = TypeVar("T")

logger = logging.getLogger(__name__)


class Work:
    """Tasks that outlive the request that began them, until `close`.

    A request may be out of time, or its client may be gone: what it has begun with the builder goes
    on, and its outcome is stored.
    """

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def result(self, work: Coroutine[Any, Any, T], seconds: float) -> T | None:
        """Begin something, and return its result; None where that takes longer than `seconds`.

        None too where `close` breaks it off.

        Raises what the work raises within that time. Later it is logged.
        """
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            done, _ = await asyncio.wait((task,), timeout=seconds)
        except asyncio.CancelledError:
            task.add_done_callback(_tell)
            raise
        if done:
            return None if task.cancelled() else task.result()
        task.add_done_callback(_tell)
        return None

    def lock(self, tool: str) -> asyncio.Lock:
        """Return the lock under which builds of a tool, whose start is in doubt, are sought."""
        return self._locks.setdefault(tool, asyncio.Lock())

    async def close(self, seconds: float = 0) -> None:
        """Let what is under way end by itself for some seconds; then break it off."""
        if self._tasks:
            # Also in no time each of them comes to its first line.
            await asyncio.wait(self._tasks, timeout=max(seconds, 0))
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)


def _tell(task: asyncio.Task[Any]) -> None:
    if not task.cancelled() and (error := task.exception()):
        logger.warning("what a request had begun failed after its end: %s", error, exc_info=error)
