"""The log of a build, from whichever builder made it."""

from collections.abc import AsyncIterator

from components.configuration.sources import reuses
from components.engine.context import Engine
from components.engine.documents import deployment_of
from components.engine.errors import NoComponent, NoLog
from components.engine.finding import find


async def build_log(
    engine: Engine, tool: str, deploy_id: str, component: str, *, follow: bool = False
) -> AsyncIterator[str]:
    """Return the lines of a component's build log; of a reused build, that one's.

    Raises `NoDeployment`, `NoComponent`, `NoLog` where no builder has accepted the build. The
    iterator raises what the builder does: `BuildNotFound` before the first line,
    `BuilderUnavailable` at any.
    """
    deployment = deployment_of(await find(engine, tool, deploy_id))
    source = reuses(deployment.configuration).get(component, component)
    if source not in deployment.builds:
        raise NoComponent(deployment.id, component, deployment.all_builds)
    build = deployment.builds[source]
    if build.build_id is None:
        raise NoLog(source, build.message)
    return engine.builder.log(tool, build.build_id, follow=follow)
