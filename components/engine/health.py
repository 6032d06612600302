"""The engine's health: its store must respond, its builder should."""

import asyncio
import logging
from dataclasses import dataclass

from async_lru import alru_cache

from backends.builders.base import BuilderError
from backends.stores.base import Unavailable
from components.engine.context import Engine

logger = logging.getLogger(__name__)

PING_SECONDS = 5.0
"""The timeout of each check."""

CACHE_SECONDS = 1.0
"""How long a result is cached."""


@dataclass(frozen=True, slots=True)
class Health:
    """The store's error, empty if it is healthy; the builder's state as text."""

    store: str
    builder: str


class HealthCheck:
    """Checks the backends of one engine, at most once a second for all callers."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._cached = alru_cache(maxsize=1, ttl=CACHE_SECONDS)(self._check)

    async def builder(self) -> str:
        """Return the builder's state as text. Raises `Unavailable` if the store does not respond.

        The result may be up to a second old.
        """
        health = await self._cached()
        if health.store:
            raise Unavailable(health.store)
        return health.builder

    async def close(self) -> None:
        """Cancel running checks."""
        await self._cached.cache_close()

    async def _check(self) -> Health:
        # Errors are values: an exception would not be cached, and each caller would check again.
        store, builder = await asyncio.gather(
            self._check_store(), self._check_builder(), return_exceptions=True
        )
        if isinstance(store, BaseException):
            logger.error("checking the store failed", exc_info=store)
            store = "the store check failed"
        if isinstance(builder, BaseException):
            logger.error("checking the builder failed", exc_info=builder)
            builder = "the check failed"
        return Health(store, builder)

    async def _check_store(self) -> str:
        try:
            async with asyncio.timeout(PING_SECONDS):
                await self._engine.store.ping()
        except TimeoutError:
            return f"the store did not respond within {PING_SECONDS:g} s"
        except Unavailable as error:
            return str(error) or "the store does not respond"
        return ""

    async def _check_builder(self) -> str:
        try:
            async with asyncio.timeout(PING_SECONDS):
                await self._engine.builder.ping()
        except TimeoutError:
            return f"did not respond within {PING_SECONDS:g} s"
        except BuilderError as error:
            return f"unavailable: {error}"
        return "answers"
