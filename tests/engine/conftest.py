"""An engine with a counting store, a scripted builder and a clock set by hand."""

from dataclasses import replace
from random import Random
from typing import Any

import pytest

from components.engine.configurations.operations import set_configuration
from components.engine.context import Answer, Engine
from components.engine.creation.create import create_deployment
from components.engine.deployments import operations as deployments
from components.engine.deployments.model import Deployment
from components.engine.loop.refreshing import Refresher
from tests.builders.scripted import ScriptedBuilder
from tests.factories import TOOL, configuration
from tests.stores.counting import CountingStore


@pytest.fixture
def engine(store: CountingStore, builder: ScriptedBuilder) -> Engine:
    return Engine(store, builder, deployments_kept=3, builder_timeout=15, random=Random(1))


async def deployed(
    engine: Engine, *names: str, kept: int | None = None, **components: Any
) -> Answer[Deployment]:
    """Store a configuration of these components, and deploy it."""
    await set_configuration(engine, TOOL, configuration(*names, **components))
    return await create_deployment(
        engine if kept is None else replace(engine, deployments_kept=kept), TOOL
    )


async def show_deployment(engine: Engine, tool: str, deploy_id: str) -> Answer[Deployment]:
    """Show a deployment without a cached result."""
    refresher = Refresher(engine)
    try:
        return await deployments.show_deployment(engine, refresher, tool, deploy_id)
    finally:
        await refresher.close()
