"""Refreshing deployments: one query for all concurrent callers, and at most one a second.

The background loop and every GET go through here, so that they share the queries of each
deployment. Each caller reads the stored state itself. It joins a running query only if that began
with the same state. So no caller gets an older state than an earlier caller did.
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
"""How long a result is cached, unless the stored deployment changes."""


@dataclass(frozen=True, slots=True)
class _Query:
    """A query of the builder: the ETag of the deployment when it began, and its task."""

    etag: str
    task: asyncio.Task[Answer[Deployment]]


class Refresher:
    """Refreshes the deployments of one engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._queries: dict[tuple[str, str], _Query] = {}

    async def refresh(self, document: Document) -> Answer[Deployment]:
        """Return the current state of the deployment in a document that was just read.

        Within a second of the last query, this returns the cached result. Raises `NoDeployment`,
        `Corrupt`, `TooManyConflicts` and what the store raises.
        """
        stored = deployment_of(self._engine, document)
        if stored.is_settled:
            return Answer(stored)
        query = self._queries.get((document.tool, document.name)) or self._start(document, stored)
        if not query.task.done():
            if query.etag != stored.etag:
                return Answer(stored)
            # A cancelled caller must not cancel the query of the others.
            return await asyncio.shield(query.task)
        answer = query.task.result()
        if answer.value.etag == stored.etag:
            return answer
        # Something was stored since the query: what is stored now is at least as new.
        document = await find(self._engine, document.tool, document.name)
        return Answer(deployment_of(self._engine, document))

    def invalidate(self, tool: str, deploy_id: str) -> None:
        """Drop the cached result: the deployment was changed."""
        self._queries.pop((tool, deploy_id), None)

    async def close(self, seconds: float = 0) -> None:
        """Wait some seconds for running queries to end; then cancel the rest."""
        running = [query.task for query in self._queries.values() if not query.task.done()]
        if running and seconds > 0:
            await asyncio.wait(running, timeout=seconds)
        # Including those that began meanwhile.
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
        """Cache a result for a while; after a failure, the next caller queries again."""
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
