"""The log of a build, from its builder."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator

from components.configuration.sources import reuses
from components.engine.builds.model import Build
from components.engine.context import Engine
from components.engine.deployments.finding import find
from components.engine.deployments.model import Deployment
from components.engine.deployments.reading import deployment_of
from components.engine.errors import NoComponent, NoLog
from components.engine.loop.refreshing import Refresher

POLL_SECONDS = 1.0
"""How often a followed build is polled until it has been started."""


async def build_log(
    engine: Engine,
    refresher: Refresher,
    tool: str,
    deploy_id: str,
    component: str,
    *,
    follow: bool = False,
) -> AsyncIterator[str]:
    """Return the lines of a component's build log; for a reused build, the log of that build.

    Raises `NoDeployment`, `NoComponent`, and `NoLog` where the build was not started; if `follow`,
    it waits for the start. The iterator raises the builder's errors: `BuildNotFound` before the
    first line, `BuilderUnavailable` at any line.
    """
    deployment = deployment_of(engine, await find(engine, tool, deploy_id))
    source = reuses(deployment.configuration).get(component, component)
    if source not in deployment.builds:
        raise NoComponent(deployment.id, component, deployment.all_builds)
    build = deployment.builds[source]
    if build.id is not None:
        return engine.builder.log(tool, build.id, follow=follow)
    if build.status.is_final or not follow:
        raise NoLog(source, build.message)
    return _log_once_started(engine, refresher, deployment, source)


async def _log_once_started(
    engine: Engine, refresher: Refresher, deployment: Deployment, component: str
) -> AsyncIterator[str]:
    build: Build = deployment.builds[component]
    while build.id is None:
        if build.status.is_final:
            raise NoLog(component, build.message)
        await asyncio.sleep(POLL_SECONDS)
        document = await find(engine, deployment.tool, deployment.id)
        answer = await refresher.refresh(document)
        build = answer.value.builds[component]
    lines = engine.builder.log(deployment.tool, build.id, follow=True)
    try:
        async for line in lines:
            yield line
    finally:
        # Close the builder's iterator together with this one.
        if isinstance(lines, AsyncGenerator):
            await lines.aclose()
