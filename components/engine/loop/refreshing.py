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

CACHE_SECONDS = 1.0
"""For how long what was found out is what is answered, unless something else is stored."""


@dataclass(frozen=True, slots=True)
class _Query:
    """A look at the builder: what was stored when it began, and what comes of it."""

    etag: str
    task: asyncio.Task[Answer[Deployment]]


class Refresher:
    """Refreshes the deployments of one engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._queries: dict[tuple[str, str], _Query] = {}

    async def refresh(self, document: Document) -> Answer[Deployment]:
        """Return the deployment in a document that was just read as it is now.

        Within a second of the last look at the builder, that is what was found out then. Raises
        `NoDeployment`, `Corrupt`, `TooManyConflicts` and what the store raises.
        """
        stored = deployment_of(self._engine, document)
        if stored.is_settled:
            return Answer(stored)
        query = self._queries.get((document.tool, document.name)) or self._start(document, stored)
        if not query.task.done():
            if query.etag != stored.etag:
                return Answer(stored)
            # Whoever asks may go; the others still want to know.
            return await asyncio.shield(query.task)
        answer = query.task.result()
        if answer.value.etag == stored.etag:
            return answer
        # Something was stored since the query: what is stored now is at least as new.
        document = await find(self._engine, document.tool, document.name)
        return Answer(deployment_of(self._engine, document))

    def invalidate(self, tool: str, deploy_id: str) -> None:
        """Let the next to ask look anew: something was done to the deployment."""
        self._queries.pop((tool, deploy_id), None)

    async def close(self, seconds: float = 0) -> None:
        """Let what is under way end by itself for some seconds; then break it off."""
        under_way = [query.task for query in self._queries.values() if not query.task.done()]
        if under_way and seconds > 0:
            await asyncio.wait(under_way, timeout=seconds)
        # Those among them that were begun meanwhile.
        tasks = [query.task for query in self._queries.values()]
        self._queries.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _start(self, document: Document, stored: Deployment) -> _Query:
        key = (document.tool, document.name)
        task = asyncio.create_task(self._query(document))
        query = self._queries[key] = _Query(stored.etag, task)
        task.add_done_callback(lambda _: self._cache(key, query))
        return query

    def _cache(self, key: tuple[str, str], query: _Query) -> None:
        """Keep what was found out for a while; what failed is tried anew by the next to ask."""
        if query.task.cancelled() or query.task.exception():
            self._discard(key, query)
        else:
            loop = asyncio.get_running_loop()
            loop.call_later(CACHE_SECONDS, self._discard, key, query)

    def _discard(self, key: tuple[str, str], query: _Query) -> None:
        if self._queries.get(key) is query:
            del self._queries[key]

    async def _query(self, document: Document) -> Answer[Deployment]:
        try:
            return await reconcile(self._engine, document)
        except NotFound:
            raise NoDeployment(document.tool, document.name) from None
