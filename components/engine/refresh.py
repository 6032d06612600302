"""Bringing deployments up to date: once for all who ask at the same time, once a second at most.

The background loop and every GET go through here, so that they share one clock for each deployment.
"""

from dataclasses import dataclass, field

from async_lru import alru_cache

from backends.stores.base import Document, NotFound
from components.engine.advance import advance
from components.engine.context import Answer, Engine
from components.engine.errors import NoDeployment
from components.engine.finding import find
from components.engine.model import Deployment

FRESH_SECONDS = 1.0
"""For how long what was found out is what is answered."""

_REMEMBERED = 10_000


@dataclass(frozen=True, slots=True)
class Which:
    """A deployment by its tool and id; and its document, where somebody has just read it."""

    tool: str
    deploy_id: str
    document: Document | None = field(default=None, compare=False)


class Refresher:
    """Refreshes the deployments of one engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._fresh = alru_cache(maxsize=_REMEMBERED, ttl=FRESH_SECONDS)(self._refresh)

    async def refresh(self, which: Which) -> Answer[Deployment]:
        """Return a deployment as it is now, or was within the last second.

        Raises `NoDeployment`, `Corrupt`, `Contended` and what the store raises.
        """
        return await self._fresh(which)

    def forget(self, tool: str, deploy_id: str) -> None:
        """Let the next to ask find out anew: something was done to the deployment."""
        self._fresh.cache_invalidate(Which(tool, deploy_id))

    async def close(self) -> None:
        """End what is under way."""
        await self._fresh.cache_close()

    async def _refresh(self, which: Which) -> Answer[Deployment]:
        document = which.document or await find(self._engine, which.tool, which.deploy_id)
        try:
            return await advance(self._engine, document)
        except NotFound:
            raise NoDeployment(which.tool, which.deploy_id) from None
