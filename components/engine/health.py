"""Whether the engine can do its work: its store must answer, its builder should."""

import asyncio

from backends.builders.base import BuilderError
from backends.stores.base import Unavailable
from components.engine.context import Engine

PING_SECONDS = 5.0
"""How long either of them may take to say that it is there."""


async def check_health(engine: Engine) -> str:
    """Return how the builder is, in words. Raises `Unavailable` if the store does not answer."""
    _, builder = await asyncio.gather(_ping_store(engine), _ping_builder(engine))
    return builder


async def _ping_store(engine: Engine) -> None:
    try:
        async with asyncio.timeout(PING_SECONDS):
            await engine.store.ping()
    except TimeoutError:
        raise Unavailable(f"the store has not answered within {PING_SECONDS:g} s") from None


async def _ping_builder(engine: Engine) -> str:
    try:
        async with asyncio.timeout(PING_SECONDS):
            await engine.builder.ping()
    except TimeoutError:
        return f"has not answered within {PING_SECONDS:g} s"
    except BuilderError as error:
        return f"unavailable: {error}"
    return "answers"
