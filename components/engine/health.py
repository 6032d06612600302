"""The engine's health: its store must respond, its builder and its runner should."""

import asyncio
import logging
from collections.abc import Awaitable
from dataclasses import dataclass

from async_lru import alru_cache

from backends.errors import BackendError
from backends.stores.base import Unavailable
from components.engine.context import Engine

logger = logging.getLogger(__name__)

PING_SECONDS = 5.0
"""The timeout of each check."""

CACHE_SECONDS = 1.0
"""How long a result is cached."""


@dataclass(frozen=True, slots=True)
class Health:
    """The store's error, empty if it is healthy; the state of the others as text."""

    store: str
    builder: str
    runner: str


class HealthCheck:
    """Checks the backends of one engine, at most once a second for all callers."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._cached = alru_cache(maxsize=1, ttl=CACHE_SECONDS)(self._check)

    async def ready(self) -> Health:
        """Return the health of the backends. Raises `Unavailable` if the store does not respond.

        The result may be up to a second old.
        """
        health = await self._cached()
        if health.store:
            raise Unavailable(health.store)
        return health

    async def close(self) -> None:
        """Cancel running checks."""
        await self._cached.cache_close()

    async def _check(self) -> Health:
        # Errors are values: an exception would not be cached, and each caller would check again.
        store, builder, runner = await asyncio.gather(
            self._check_store(),
            _checked(self._engine.builder.ping()),
            _checked(self._engine.runner.ping()),
            return_exceptions=True,
        )
        if isinstance(store, BaseException):
            logger.error("checking the store failed", exc_info=store)
            store = "the store check failed"
        return Health(store, _text("builder", builder), _text("runner", runner))

    async def _check_store(self) -> str:
        try:
            async with asyncio.timeout(PING_SECONDS):
                await self._engine.store.ping()
        except TimeoutError:
            return f"the store did not respond within {PING_SECONDS:g} s"
        except Unavailable as error:
            return str(error) or "the store does not respond"
        return ""


async def _checked(ping: Awaitable[None]) -> str:
    try:
        async with asyncio.timeout(PING_SECONDS):
            await ping
    except TimeoutError:
        return f"did not respond within {PING_SECONDS:g} s"
    except BackendError as error:
        return f"unavailable: {error}"
    return "answers"


def _text(name: str, state: str | BaseException) -> str:
    if isinstance(state, str):
        return state
    logger.error("checking the %s failed", name, exc_info=state)
    return "the check failed"
