"""Taking a stored deployment forward: launch what waits, ask for what runs, store what changed."""

import asyncio
import logging
from collections.abc import Mapping
from functools import partial

from backends.builders.base import BuilderError
from backends.stores.base import Document, NotFound
from components.engine.context import Answer, Engine
from components.engine.documents import deployment_of
from components.engine.launch import build_of, cancel_builds, launch, launch_messages
from components.engine.merge import merged
from components.engine.model import Build, Deployment
from components.engine.progress import store_change

logger = logging.getLogger(__name__)


async def advance(engine: Engine, document: Document) -> Answer[Deployment]:
    """Return the deployment in `document` as it is now, having stored what changed.

    Builds that await their launch are started, the others are asked for, in one question to the
    builder; both at once. A final deployment asks nothing and writes nothing. A builder that does
    not answer gives what is stored, and a warning. Raises `NotFound` where the deployment was
    removed meanwhile; what this call had started is then cancelled.
    """
    deployment = deployment_of(document)
    if deployment.status.is_final:
        return Answer(deployment)
    launched, (states, warnings) = await asyncio.gather(
        launch(engine, deployment), _states(engine, deployment)
    )
    try:
        stored = await store_change(engine, document, partial(merged, news={**states, **launched}))
    except NotFound:
        await cancel_builds(engine, deployment, launched)
        raise
    waiting, rejected = launch_messages(launched)
    return Answer(stored, (*warnings, *waiting), rejected)


async def _states(
    engine: Engine, deployment: Deployment
) -> tuple[Mapping[str, Build], tuple[str, ...]]:
    """Ask the builder once for all builds that it runs; return their states and the warnings."""
    components = {
        build.build_id: name
        for name, build in deployment.builds.items()
        if build.build_id is not None and not build.status.is_final
    }
    if not components:
        return {}, ()
    try:
        async with asyncio.timeout(engine.patience):
            states = await engine.builder.get(deployment.tool, tuple(components))
    except (BuilderError, TimeoutError) as error:
        reason = str(error) or "no answer in time"
        return {}, (f"the builder does not answer, so this is what was last known: {reason}",)
    except Exception:
        # A defect of the builder must not keep what was launched meanwhile from being stored.
        logger.exception("asking for the builds of %s failed", deployment.id)
        return {}, ("the builder failed to answer, so this is what was last known",)
    return {
        components[build_id]: build_of(state)
        for build_id, state in states.items()
        if state is not None and build_id in components
    }, ()
