"""How many calls to the store each kind of request makes; it depends on no machine."""

from collections.abc import Awaitable, Callable

from backends.builders.simulated import SimulatedBuilder
from backends.clock import utc_now
from bench.tools import components
from components.engine.configurations.operations import get_configuration, set_configuration
from components.engine.context import Engine
from components.engine.creation.create import create_deployment
from components.engine.deployments.operations import list_deployments, show_deployment
from components.engine.loop.refreshing import Refresher
from tests.stores.counting import CountingStore

TOOL, COMPONENTS, KEPT = "mytool", 20, 10


async def store_calls() -> dict[str, int]:
    """Return the number of calls by kind of request, for a tool with all documents it may have."""
    store = CountingStore(utc_now)
    engine = Engine(store, SimulatedBuilder(0), deployments_kept=KEPT, configs_kept=KEPT)
    refresher = Refresher(engine)
    sizes = iter(range(COMPONENTS, COMPONENTS + 2 * KEPT + 2))

    async def configure() -> None:
        await set_configuration(engine, TOOL, components(next(sizes)))

    async def show() -> None:
        await show_deployment(engine, refresher, TOOL, "latest")

    async def deploy() -> None:
        await create_deployment(engine, TOOL)

    for _ in range(KEPT + 1):
        await configure()
        await deploy()
        await show()
    work: dict[str, Callable[[], Awaitable[object]]] = {
        "GET config": lambda: get_configuration(engine, TOOL),
        "POST config": configure,
        "POST deploy": deploy,
        "GET a running deployment": show,
        "GET a final deployment": show,
        "GET the list of deployments": lambda: list_deployments(engine, TOOL),
    }
    found = {}
    try:
        for name, call in work.items():
            before = store.calls.total()
            await call()
            found[name] = store.calls.total() - before
    finally:
        await refresher.close()
        await engine.tasks.close()
    return found
