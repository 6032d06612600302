"""Bringing deployments up to date: once for all who ask at the same time, once a second at most.

The background loop and every GET go through here, so that they share one clock for each deployment.
What is stored is read for each who asks. A look at the builder is joined by those to whom it can
say nothing that is older than what is stored: so nobody is told less than anybody before.
"""

import asyncio
from dataclasses import dataclass

from backends.stores.base import Document, NotFound
from components.engine.context import Answer, Engine
from components.engine.deployments.finding import find
from components.engine.deployments.model import Deployment
from components.engine.deployments.reading import deployment_of
from components.engine.deployments.reconcile import reconcile
from components.engine.errors import NoDeployment

FRESH_SECONDS = 1.0
"""For how long what was found out is what is answered, unless something else is stored."""


@dataclass(frozen=True, slots=True)
class _Look:
    """A look at the builder: what was stored when it began, and what comes of it."""

    began_with: str
    task: asyncio.Task[Answer[Deployment]]


class Refresher:
    """Refreshes the deployments of one engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._looks: dict[tuple[str, str], _Look] = {}

    async def refresh(self, document: Document) -> Answer[Deployment]:
        """Return the deployment in a document that was just read as it is now.

        Within a second of the last look at the builder, that is what was found out then. Raises
        `NoDeployment`, `Corrupt`, `TooManyConflicts` and what the store raises.
        """
        stored = deployment_of(self._engine, document)
        if stored.is_settled:
            return Answer(stored)
        look = self._looks.get((document.tool, document.name)) or self._begin(document, stored)
        if not look.task.done():
            if look.began_with != stored.etag:
                return Answer(stored)
            # Whoever asks may go; the others still want to know.
            return await asyncio.shield(look.task)
        answer = look.task.result()
        if answer.value.etag == stored.etag:
            return answer
        # Something was stored before or after the look: what is stored now is no older than either.
        document = await find(self._engine, document.tool, document.name)
        return Answer(deployment_of(self._engine, document))

    def forget(self, tool: str, deploy_id: str) -> None:
        """Let the next to ask look anew: something was done to the deployment."""
        self._looks.pop((tool, deploy_id), None)

    async def close(self, seconds: float = 0) -> None:
        """Let what is under way end by itself for some seconds; then break it off."""
        under_way = [look.task for look in self._looks.values() if not look.task.done()]
        if under_way and seconds > 0:
            await asyncio.wait(under_way, timeout=seconds)
        # Those among them that were begun meanwhile.
        tasks = [look.task for look in self._looks.values()]
        self._looks.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _begin(self, document: Document, stored: Deployment) -> _Look:
        key = (document.tool, document.name)
        task = asyncio.create_task(self._look(document))
        look = self._looks[key] = _Look(stored.etag, task)
        task.add_done_callback(lambda _: self._keep(key, look))
        return look

    def _keep(self, key: tuple[str, str], look: _Look) -> None:
        """Keep what was found out for a while; what failed is tried anew by the next to ask."""
        if look.task.cancelled() or look.task.exception():
            self._forget_if(key, look)
        else:
            loop = asyncio.get_running_loop()
            loop.call_later(FRESH_SECONDS, self._forget_if, key, look)

    def _forget_if(self, key: tuple[str, str], look: _Look) -> None:
        if self._looks.get(key) is look:
            del self._looks[key]

    async def _look(self, document: Document) -> Answer[Deployment]:
        try:
            return await reconcile(self._engine, document)
        except NotFound:
            raise NoDeployment(document.tool, document.name) from None
