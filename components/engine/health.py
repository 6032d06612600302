"""Whether the engine can do its work: its store must answer, its builder should."""

import asyncio
import logging
from dataclasses import dataclass

from async_lru import alru_cache

from backends.builders.base import BuilderError
from backends.stores.base import Unavailable
from components.engine.context import Engine

logger = logging.getLogger(__name__)

PING_SECONDS = 5.0
"""How long either of them may take to say that it is there."""

FRESH_SECONDS = 1.0
"""For how long what they have said is what is answered."""


@dataclass(frozen=True, slots=True)
class Health:
    """Why the store cannot be used, empty where it can; and how the builder is, in words."""

    store: str
    builder: str


class HealthCheck:
    """Asks the backends of one engine: once a second at most, whoever wants to know."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._fresh = alru_cache(maxsize=1, ttl=FRESH_SECONDS)(self._ask)

    async def builder(self) -> str:
        """Return how the builder is, in words. Raises `Unavailable` if the store does not answer.

        It is as it was within the last second, for all who ask.
        """
        health = await self._fresh()
        if health.store:
            raise Unavailable(health.store)
        return health.builder

    async def close(self) -> None:
        """End what is under way."""
        await self._fresh.cache_close()

    async def _ask(self) -> Health:
        # What is wrong is a value as well: an error would not be kept, and each would ask again.
        store, builder = await asyncio.gather(
            self._ask_store(), self._ask_builder(), return_exceptions=True
        )
        if isinstance(store, BaseException):
            logger.error("asking the store how it is failed", exc_info=store)
            store = "the store fails to answer"
        if isinstance(builder, BaseException):
            logger.error("asking the builder how it is failed", exc_info=builder)
            builder = "fails to answer"
        return Health(store, builder)

    async def _ask_store(self) -> str:
        try:
            async with asyncio.timeout(PING_SECONDS):
                await self._engine.store.ping()
        except TimeoutError:
            return f"the store has not answered within {PING_SECONDS:g} s"
        except Unavailable as error:
            return str(error) or "the store does not answer"
        return ""

    async def _ask_builder(self) -> str:
        try:
            async with asyncio.timeout(PING_SECONDS):
                await self._engine.builder.ping()
        except TimeoutError:
            return f"has not answered within {PING_SECONDS:g} s"
        except BuilderError as error:
            return f"unavailable: {error}"
        return "answers"
