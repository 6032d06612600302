"""Whether the engine can do its work: its store must answer, its builder should."""

import asyncio
import logging

from backends.builders.base import BuilderError
from backends.stores.base import Unavailable
from components.engine.context import Engine

logger = logging.getLogger(__name__)

PING_SECONDS = 5.0
"""How long either of them may take to say that it is there."""


async def check_health(engine: Engine) -> str:
    """Return how the builder is, in words. Raises `Unavailable` if the store does not answer."""
    store, builder = await asyncio.gather(
        _ping_store(engine), _ping_builder(engine), return_exceptions=True
    )
    if isinstance(store, BaseException):
        raise store
    if isinstance(builder, BaseException):
        logger.error("asking the builder how it is failed", exc_info=builder)
        return "fails to answer"
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
