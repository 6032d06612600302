"""A builder whose calls hang: some or all methods, for some or all tools."""

import asyncio
from collections import Counter
from collections.abc import Collection, Mapping

from backends.builders.base import BuildRequest, BuildState, Source
from tests.builders.scripted import ScriptedBuilder

EVERYTHING = frozenset({"start", "find", "get", "cancel", "resolve", "has_image"})


class HangingBuilder(ScriptedBuilder):
    """Never returns from the methods in `hanging`, for `tools`, or for all tools if that is None.

    `hangs` counts the calls of each tool that are hanging now.
    """

    def __init__(self, tools: Collection[str] | None = None, *hanging: str) -> None:
        super().__init__()
        self.tools = tools
        self.hanging = set(hanging)
        self.hangs: Counter[str] = Counter()

    async def start(self, request: BuildRequest) -> BuildState:
        await self._hang("start", request.tool)
        return await super().start(request)

    async def find(self, request: BuildRequest) -> BuildState | None:
        await self._hang("find", request.tool)
        return await super().find(request)

    async def get(self, tool: str, ids: Collection[str]) -> Mapping[str, BuildState | None]:
        await self._hang("get", tool)
        return await super().get(tool, ids)

    async def cancel(self, tool: str, build_id: str) -> None:
        await self._hang("cancel", tool)
        await super().cancel(tool, build_id)

    async def resolve(self, tool: str, source: Source) -> str | None:
        await self._hang("resolve", tool)
        return await super().resolve(tool, source)

    async def has_image(self, tool: str, image: str) -> bool | None:
        await self._hang("has_image", tool)
        return await super().has_image(tool, image)

    async def _hang(self, method: str, tool: str) -> None:
        if method in self.hanging and (self.tools is None or tool in self.tools):
            self.hangs[tool] += 1
            try:
                await asyncio.Event().wait()
            finally:
                self.hangs[tool] -= 1
