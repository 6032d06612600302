"""Taking a stored deployment one step forward, whatever that step is.

POST, GET and the background loop all call this, and nothing else moves a deployment. It may be
called at any time, any number of times, by any instance, and after any earlier call was broken off.
"""

import asyncio
import logging
from collections.abc import Mapping
from functools import partial

from backends.builders.base import BuilderError
from backends.stores.base import Conflict, Document, NotFound, Sealed
from components.engine.context import Answer, Engine
from components.engine.documents import (
    DEPLOYMENT,
)
from components.engine.errors import Contended
from components.engine.launch import launch, launch_messages, observed
from components.engine.merge import Change, merged
from components.engine.model import Build, Deployment
from components.engine.plan import Plan, plan
from components.engine.progress import MAX_ATTEMPTS, put, store_change
from components.engine.queueing import admit
from components.engine.reading import deployment_of
from components.engine.stopping import cancel_builds, seek_planned, stop_planned

logger = logging.getLogger(__name__)


async def advance(engine: Engine, document: Document) -> Answer[Deployment]:
    """Return the deployment in `document` as it is now, having stored what changed.

    One that waits is let in once it is its turn. What is going to be done is stored first; builds
    are then started, sought, ended and asked for, all at once. A final deployment asks nothing and
    writes nothing. A builder that does not answer gives what is stored, and a warning. Raises
    `NotFound` where the deployment was removed meanwhile; what this call had started is then
    cancelled. Raises `Contended`.
    """
    for _ in range(MAX_ATTEMPTS):
        deployment = deployment_of(engine, document)
        if deployment.status.is_final:
            return Answer(deployment)
        if deployment.queued and not deployment.cancel_requested:
            return await admit(engine, document, deployment)
        until = claims_end(engine)
        step = plan(deployment, await engine.store.now(), engine.instance, engine.limits)
        if step.deployment == deployment:
            return await carry_out(engine, document, step, until)
        try:
            document = await put(engine, document, step.deployment)
        except (Conflict, Sealed):
            document = await engine.store.get(document.tool, DEPLOYMENT, document.name)
        else:
            return await carry_out(engine, document, step, until)
    raise Contended(f"deployment {document.name!r}")


def claims_end(engine: Engine) -> float:
    """Return the loop's time until which something may be started on a claim that is made now.

    Half of what a claim lasts: the rest is for what the builder takes, and for differing clocks.
    """
    return asyncio.get_running_loop().time() + engine.limits.launch.total_seconds() / 2


async def carry_out(
    engine: Engine, document: Document, step: Plan, until: float
) -> Answer[Deployment]:
    """Do what a plan says that `document` has, and store what came of it; see `advance`."""
    launched, sought, (running, warnings) = await asyncio.gather(
        launch(engine, step, until), seek_planned(engine, step), _running(engine, step)
    )
    news = {**running, **sought, **launched}
    started = {build.build_id for build in launched.values() if build.build_id is not None}
    try:
        stored = await store_change(engine, document, partial(merged, change=Change(news)))
    except NotFound:
        await cancel_builds(engine, document.tool, started)
        raise
    # What was decided while a build was being started may leave it with nobody to belong to.
    kept = {build.build_id for build in stored.builds.values()}
    await cancel_builds(engine, document.tool, started - kept)
    waiting, rejected = launch_messages(launched)
    return Answer(stored, (*warnings, *waiting), rejected)


async def _running(engine: Engine, step: Plan) -> tuple[Mapping[str, Build], tuple[str, ...]]:
    """End what is to end, then ask once for all that the builder has; return news and warnings."""
    ended = await stop_planned(engine, step)
    builds = {
        name: step.deployment.builds[name]
        for name in (*step.ask, *step.cancel)
        if name not in ended
    }
    components = {build.build_id: name for name, build in builds.items() if build.build_id}
    if not components:
        return ended, ()
    try:
        async with asyncio.timeout(engine.patience / 2 if step.cancel else engine.patience):
            states = await engine.builder.get(step.deployment.tool, tuple(components))
    except (BuilderError, TimeoutError) as error:
        reason = str(error) or "no answer in time"
        return ended, (f"the builder does not answer, so this is what was last known: {reason}",)
    except Exception:
        # A defect of the builder must not keep what was launched meanwhile from being stored.
        logger.exception("asking for the builds of %s failed", step.deployment.id)
        return ended, ("the builder failed to answer, so this is what was last known",)
    news = {
        components[build_id]: observed(builds[components[build_id]], state, step.now)
        for build_id, state in states.items()
        if state is not None and build_id in components
    }
    return {**news, **ended}, ()
