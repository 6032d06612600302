"""An instance that crashes at a given step of a deployment.

    python -m tests.cluster.crashing KUBECONFIG TOOL BUILDS_URL TEMPLATE STEP before|after

The steps are its writes to the store and its calls to the builder and to the runner, counted from
0. It exits with 9 if it crashed there, and with 0 if the deployment was final before that step.
"""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

from yarl import URL

from backends.builders.toolforge import ToolforgeBuilder
from backends.kube.connection import KubeConnection
from backends.stores.kubernetes import KubernetesStore
from components.engine.context import Engine, Limits
from components.engine.creation.create import create_deployment
from components.engine.deployments.finding import find
from components.engine.deployments.reconcile import reconcile
from tests.cluster.conftest import PREFIX
from tests.cluster.runner import runner_on

CRASHED = 9
WRITES = ("create", "replace", "delete")
CALLS = ("start", "get", "cancel", "find")
RUNS = ("apply", "list", "remove")

SECONDS = 1.0
"""The duration of a claim and of a start: short, so that another instance soon takes over."""


def limits_of(builder: ToolforgeBuilder) -> Limits:
    """Return the limits of an engine with this builder."""
    return Limits(
        launch=timedelta(seconds=SECONDS),
        settling=builder.settling,
        knows_keys=builder.knows_keys,
    )


class Crash:
    """Exits the process at one step, without any cleanup."""

    def __init__(self, step: int, when: str) -> None:
        self._step, self._when = step, when
        self._steps = count()

    def around(self, inner: object, names: tuple[str, ...]) -> Any:
        """Wrap `inner` so that some of its methods count as steps."""
        for name in names:
            setattr(inner, name, self._step_of(getattr(inner, name)))
        return inner

    def _step_of(self, call: Callable[..., Awaitable[object]]) -> Callable[..., Awaitable[object]]:
        async def step(*args: object, **kwargs: object) -> object:
            here = next(self._steps) == self._step
            if here and self._when == "before":
                os._exit(CRASHED)
            result = await call(*args, **kwargs)
            if here:
                os._exit(CRASHED)
            return result

        return step


async def main(kubeconfig: str, tool: str, url: str, template: str, step: int, when: str) -> None:
    """Deploy the tool's configuration and wait for the end, unless the step comes first."""
    ending = Crash(step, when)
    store = KubernetesStore(KubeConnection(kubeconfig), PREFIX)
    builder = ToolforgeBuilder(URL(url), start_seconds=SECONDS)
    runner = runner_on(Path(kubeconfig), Path(template))
    await store.open()
    await builder.open()
    await runner.open()
    engine = Engine(
        ending.around(store, WRITES),
        ending.around(builder, CALLS),
        runner=ending.around(runner, RUNS),
        limits=limits_of(builder),
        instance="dying",
    )
    try:
        deployment = (await create_deployment(engine, tool)).value
        while not deployment.status.is_final:
            await asyncio.sleep(0.1)
            document = await find(engine, tool, deployment.id)
            deployment = (await reconcile(engine, document)).value
    finally:
        await runner.close()
        await builder.close()
        await store.close()


if __name__ == "__main__":
    program, kubeconfig, tool, url, template, step, when = sys.argv
    asyncio.run(main(kubeconfig, tool, url, template, int(step), when))
