"""A store in this process's memory, for development and tests; it is lost with the process."""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import count
from typing import Self

from environs import Env

from backends.clock import Clock, utc_now
from backends.stores.base import (
    AlreadyExists,
    Conflict,
    Document,
    DocumentState,
    JsonObject,
    Listing,
    NotFound,
    Rejected,
    Sealed,
    Store,
)

# The limit of a Kubernetes Secret, so that what fits here fits in production.
MAX_DOCUMENT_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class _Stored:
    """A document as text, so that callers cannot modify it."""

    text: str
    version: str
    state: DocumentState


class MemoryStore(Store):
    """Documents in a dictionary. `clock` returns the time in UTC; tests may set it."""

    def __init__(self, clock: Clock = utc_now) -> None:
        self._clock = clock
        self._versions = count(1)
        self._documents: dict[tuple[str, str], dict[str, _Stored]] = {}

    @classmethod
    def from_env(cls, env: Env) -> Self:
        """Return an empty store; there are no settings."""
        return cls()

    async def get(self, tool: str, kind: str, name: str) -> Document:
        """See `Store.get`."""
        return _document(tool, kind, name, self._find(tool, kind, name))

    async def list(self, tool: str, *kinds: str) -> Listing:
        """See `Store.list`."""
        found = (
            (tool, kind, name, stored)
            for kind in kinds
            for name, stored in self._documents.get((tool, kind), {}).items()
        )
        return await _listing(tuple(found))

    async def list_open(self, kind: str) -> Listing:
        """See `Store.list_open`."""
        return await _listing(tuple(self._open(kind)))

    async def create(
        self,
        tool: str,
        kind: str,
        name: str,
        data: JsonObject,
        state: DocumentState = DocumentState.PLAIN,
    ) -> Document:
        """See `Store.create`. Every tool exists here."""
        of_kind = self._documents.setdefault((tool, kind), {})
        if name in of_kind:
            raise AlreadyExists(tool, kind, name)
        of_kind[name] = self._stored(data, state)
        return _document(tool, kind, name, of_kind[name])

    async def replace(self, read: Document, data: JsonObject, state: DocumentState) -> Document:
        """See `Store.replace`."""
        tool, kind, name = read.tool, read.kind, read.name
        stored = self._find(tool, kind, name)
        if stored.version != read.version:
            raise Conflict(tool, kind, name)
        if stored.state is DocumentState.SEALED:
            raise Sealed(tool, kind, name)
        replaced = self._stored(data, state)
        self._documents[tool, kind][name] = replaced
        return _document(tool, kind, name, replaced)

    async def delete(self, tool: str, kind: str, name: str, version: str | None = None) -> None:
        """See `Store.delete`."""
        stored = self._find(tool, kind, name)
        if version is not None and stored.version != version:
            raise Conflict(tool, kind, name)
        del self._documents[tool, kind][name]

    async def now(self) -> datetime:
        """See `Store.now`."""
        return self._clock()

    async def ping(self) -> None:
        """Do nothing: memory is always available."""

    async def close(self) -> None:
        """Do nothing: there is nothing to close."""

    def _find(self, tool: str, kind: str, name: str) -> _Stored:
        try:
            return self._documents[tool, kind][name]
        except KeyError:
            raise NotFound(tool, kind, name) from None

    def _open(self, kind: str) -> Iterator[tuple[str, str, str, _Stored]]:
        for (tool, of_kind), found in self._documents.items():
            if of_kind == kind:
                for name, stored in found.items():
                    if stored.state is DocumentState.OPEN:
                        yield tool, kind, name, stored

    def _stored(self, data: JsonObject, state: DocumentState) -> _Stored:
        text = json.dumps(data, ensure_ascii=False, allow_nan=False)
        if (size := len(text.encode())) > MAX_DOCUMENT_BYTES:
            raise Rejected(
                f"the document has {size} bytes; at most {MAX_DOCUMENT_BYTES} can be stored"
            )
        return _Stored(text, str(next(self._versions)), state)


async def _listing(found: tuple[tuple[str, str, str, _Stored], ...]) -> Listing:
    """Return the documents of a snapshot; yields to the event loop after each one."""
    documents = []
    for each in found:
        documents.append(_document(*each))
        await asyncio.sleep(0)
    return Listing(tuple(documents))


def _document(tool: str, kind: str, name: str, stored: _Stored) -> Document:
    return Document(tool, kind, name, json.loads(stored.text), stored.version, stored.state)
