"""Reading deployments from documents, with a cache, and yielding to the event loop between them.

Parsing a document with 200 builds blocks the event loop for several milliseconds.
"""

import asyncio
import json
from collections.abc import Iterable
from datetime import UTC, datetime

from backends.stores.base import Corrupt, Document, Listing
from components.engine.context import Engine
from components.engine.deployments import documents
from components.engine.deployments.model import Deployment


def deployment_of(engine: Engine, document: Document) -> Deployment:
    """Return the deployment in a document of the engine's store. Raises `Corrupt`.

    A version of a document never changes, so its deployment is cached.
    """
    key = (document.tool, document.name, document.version)
    deployment = engine.cache.get(key)
    if deployment is None:
        deployment = documents.deployment_of(document)
        engine.cache.put(key, deployment, len(json.dumps(document.data)))
    return deployment


async def deployments_in(
    engine: Engine, listing: Listing
) -> tuple[list[tuple[Document, Deployment]], tuple[str, ...]]:
    """Return the deployments of a listing, newest first, and a warning for each corrupt one.

    Documents of other kinds are skipped.
    """
    found: list[tuple[Document, Deployment]] = []
    corrupt = [each for each in listing.corrupt if each.kind == documents.DEPLOYMENT]
    for document in listing.documents:
        if document.kind != documents.DEPLOYMENT:
            continue
        try:
            found.append((document, deployment_of(engine, document)))
        except Corrupt as error:
            corrupt.append(error)
        await asyncio.sleep(0)
    found.sort(key=lambda each: (each[1].created, each[1].id), reverse=True)
    return found, tuple(map(str, corrupt))


async def deployments_to_recall(engine: Engine, tool: str) -> tuple[Deployment, ...]:
    """Return the kept deployments of a tool, where only they say what runs came from."""
    if engine.runner.marks:
        return ()
    listing = await engine.store.list(tool, documents.DEPLOYMENT)
    return tuple(deployment for _, deployment in (await deployments_in(engine, listing))[0])


async def newest_in(engine: Engine, listing: Listing) -> Document | None:
    """Return the document of the newest deployment of a listing; None where there is none.

    The others are not parsed. Raises `Corrupt` where all documents are corrupt.
    """
    corrupt = list(listing.corrupt)
    for document in _newest_first(listing.documents):
        try:
            deployment_of(engine, document)
        except Corrupt as error:
            corrupt.append(error)
            await asyncio.sleep(0)
        else:
            return document
    if corrupt:
        raise corrupt[0]
    return None


def _newest_first(found: Iterable[Document]) -> list[Document]:
    return sorted(found, key=lambda each: (_created(each), each.name), reverse=True)


def _created(document: Document) -> datetime:
    try:
        return datetime.fromisoformat(document.data["creation-time"]).astimezone(UTC)
    except (KeyError, TypeError, ValueError, OverflowError):
        # It is corrupt; it is reported where no other document can be read.
        return datetime.min.replace(tzinfo=UTC)
