"""Background tasks that run to their end even if the request that started them has ended."""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, TypeVar
from weakref import WeakValueDictionary

T = TypeVar("T")

logger = logging.getLogger(__name__)


class BackgroundTasks:
    """Tasks that outlive the request that started them, until `close`.

    A request may time out, or its client may disconnect: its calls of the builder continue, and
    their outcome is stored.
    """

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def run(self, coroutine: Coroutine[Any, Any, T], seconds: float) -> T | None:
        """Run a coroutine as a task; return its result, or None if it takes longer than `seconds`.

        Also returns None if `close` cancels the task.

        Raises what the coroutine raises within that time. A later exception is logged.
        """
        task = asyncio.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            done, _ = await asyncio.wait((task,), timeout=seconds)
        except asyncio.CancelledError:
            task.add_done_callback(_log_failure)
            raise
        if done:
            return None if task.cancelled() else task.result()
        task.add_done_callback(_log_failure)
        return None

    def lock(self, tool: str) -> asyncio.Lock:
        """Return the lock for searching a tool's builds whose start has an unknown outcome."""
        return self._locks.setdefault(tool, asyncio.Lock())

    async def close(self, seconds: float = 0) -> None:
        """Wait some seconds for running tasks to end; then cancel the rest."""
        if self._tasks:
            # Even with a timeout of 0, each task runs up to its first `await`.
            await asyncio.wait(self._tasks, timeout=max(seconds, 0))
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)


def _log_failure(task: asyncio.Task[Any]) -> None:
    if not task.cancelled() and (error := task.exception()):
        logger.warning(
            "a background task failed after its request had ended: %s", error, exc_info=error
        )
