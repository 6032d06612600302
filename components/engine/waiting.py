"""Waiting for a deployment to change."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable

from components.engine.context import Answer
from components.engine.model import Deployment

FIRST_PAUSE_SECONDS = 1.0
MAX_PAUSE_SECONDS = 3.0


def shown(deployment: Deployment) -> tuple[object, ...]:
    """Return what people see of a deployment: two that look the same are equal."""
    builds = tuple(
        (name, b.status, b.message, b.build_id, b.image, b.digest, b.commit, b.started, b.ended)
        for name, b in deployment.builds.items()
    )
    return (deployment.id, deployment.status, deployment.message, builds)


def tag(deployment: Deployment) -> str:
    """Return a short name of what people see of a deployment; it changes when that does."""
    return hashlib.sha256(repr(shown(deployment)).encode()).hexdigest()[:16]


async def until_changed(
    refresh: Callable[[], Awaitable[Answer[Deployment]]],
    known: str,
    seconds: float,
    stopping: asyncio.Event,
) -> Answer[Deployment]:
    """Refresh until the tag is no longer `known`, it is final, time is up or we are stopping."""
    loop = asyncio.get_running_loop()
    until, pause = loop.time() + seconds, FIRST_PAUSE_SECONDS
    while True:
        answer = await refresh()
        left = until - loop.time()
        if tag(answer.value) != known or answer.value.status.is_final or left <= 0:
            return answer
        try:
            async with asyncio.timeout(min(pause, left)):
                await stopping.wait()
        except TimeoutError:
            pause = min(pause * 1.5, MAX_PAUSE_SECONDS)
        else:
            return answer
