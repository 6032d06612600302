"""Runs builds to their end."""

from backends.builders.base import BuildRequest, BuildState
from backends.builders.local.builder import LocalBuilder
from tests.factories import TOOL


async def ended(builder: LocalBuilder, build_id: str) -> BuildState:
    """Return the final state of a build."""
    async for _ in builder.log(TOOL, build_id, follow=True):
        pass
    state = (await builder.get(TOOL, [build_id]))[build_id]
    assert state is not None
    return state


async def built(builder: LocalBuilder, request: BuildRequest) -> BuildState:
    """Start a build and return its final state."""
    return await ended(builder, (await builder.start(request)).id)


async def log_of(builder: LocalBuilder, build_id: str) -> str:
    """Return the whole log of a build."""
    return "\n".join([line async for line in builder.log(TOOL, build_id)])
