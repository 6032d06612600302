"""Waiting for a deployment to change."""

import asyncio
from collections.abc import Awaitable, Callable

from components.engine.context import Answer
from components.engine.deployments.model import Deployment

FIRST_PAUSE_SECONDS = 1.0
MAX_PAUSE_SECONDS = 3.0


async def wait_for_change(
    refresh: Callable[[], Awaitable[Answer[Deployment]]],
    known: str,
    seconds: float,
    stopping: asyncio.Event,
    is_wanted: Callable[[], bool] = lambda: True,
) -> Answer[Deployment]:
    """Refresh a deployment until it changes; return its last state.

    It ends when the ETag differs from `known`, the status is final, `seconds` have passed, the
    service is stopping, or the client has disconnected (`is_wanted`).
    """
    loop = asyncio.get_running_loop()
    until, pause = loop.time() + seconds, FIRST_PAUSE_SECONDS
    while True:
        answer = await refresh()
        left = until - loop.time()
        if answer.value.etag != known or answer.value.status.is_final or left <= 0:
            return answer
        try:
            async with asyncio.timeout(min(pause, left)):
                await stopping.wait()
        except TimeoutError:
            pause = min(pause * 1.5, MAX_PAUSE_SECONDS)
        if stopping.is_set() or not is_wanted():
            return answer
