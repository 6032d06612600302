"""A store that counts calls, and lets a test run something before a call."""

from collections import Counter
from collections.abc import Awaitable, Callable

from backends.stores.base import Document, DocumentState, JsonObject, Listing
from backends.stores.memory import MemoryStore


class CountingStore(MemoryStore):
    """A memory store.

    `before` maps the name of a method to a function that is called once before it. During an
    `outage`, open documents cannot be listed.
    """

    def __init__(self, *args: Callable[[], object]) -> None:
        super().__init__(*args)  # type: ignore[arg-type]
        self.calls: Counter[str] = Counter()
        self.outage: Exception | None = None
        self.before: dict[str, Callable[[], Awaitable[object]]] = {}

    async def _count(self, name: str) -> None:
        self.calls[name] += 1
        if name in self.before:
            await self.before.pop(name)()

    async def get(self, tool: str, kind: str, name: str) -> Document:
        await self._count("get")
        return await super().get(tool, kind, name)

    async def list(self, tool: str, *kinds: str) -> Listing:
        await self._count("list")
        return await super().list(tool, *kinds)

    async def list_open(self, kind: str) -> Listing:
        if self.outage:
            raise self.outage
        return await super().list_open(kind)

    async def create(
        self,
        tool: str,
        kind: str,
        name: str,
        data: JsonObject,
        state: DocumentState = DocumentState.PLAIN,
    ) -> Document:
        await self._count("create")
        return await super().create(tool, kind, name, data, state)

    async def replace(self, read: Document, data: JsonObject, state: DocumentState) -> Document:
        await self._count("replace")
        return await super().replace(read, data, state)

    async def delete(self, tool: str, kind: str, name: str, version: str | None = None) -> None:
        await self._count("delete")
        await super().delete(tool, kind, name, version)

    async def ping(self) -> None:
        await self._count("ping")
        await super().ping()
