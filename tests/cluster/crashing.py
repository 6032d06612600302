"""An instance that ends, without a word, at a step of a deployment that its arguments name.

    python -m tests.cluster.dying KUBECONFIG TOOL BUILDS_URL STEP before|after

The steps are its writes to the store and its calls to the builder, counted from 0. It exits with 9
where it ended there, and with 0 where the deployment was final before it came to that step.
"""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from datetime import timedelta
from itertools import count
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

DIED = 9
WRITES = ("create", "replace", "delete")
CALLS = ("start", "get", "cancel", "find")


SECONDS = 1.0
"""How long a claim lasts, and a start may take: another instance soon takes over."""


def limits_of(builder: ToolforgeBuilder) -> Limits:
    """Return the limits of an engine with this builder."""
    return Limits(
        launch=timedelta(seconds=SECONDS),
        settling=builder.settling,
        knows_keys=builder.knows_keys,
    )


class Ending:
    """Ends the process at one step; for real, so that nothing is caught or cleaned up."""

    def __init__(self, step: int, when: str) -> None:
        self._step, self._when = step, when
        self._steps = count()

    def around(self, inner: object, names: tuple[str, ...]) -> Any:
        """Return `inner` as it is, but for those of its methods that are steps."""
        for name in names:
            setattr(inner, name, self._step_of(getattr(inner, name)))
        return inner

    def _step_of(self, call: Callable[..., Awaitable[object]]) -> Callable[..., Awaitable[object]]:
        async def step(*args: object, **kwargs: object) -> object:
            here = next(self._steps) == self._step
            if here and self._when == "before":
                os._exit(DIED)
            result = await call(*args, **kwargs)
            if here:
                os._exit(DIED)
            return result

        return step


async def main(kubeconfig: str, tool: str, url: str, step: int, when: str) -> None:
    """Deploy what the tool has configured, and bring it to its end; unless the step comes first."""
    ending = Ending(step, when)
    store = KubernetesStore(KubeConnection(kubeconfig), PREFIX)
    builder = ToolforgeBuilder(URL(url), start_seconds=SECONDS)
    await store.open()
    await builder.open()
    engine = Engine(
        ending.around(store, WRITES),
        ending.around(builder, CALLS),
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
        await builder.close()
        await store.close()


if __name__ == "__main__":
    program, kubeconfig, tool, url, step, when = sys.argv
    asyncio.run(main(kubeconfig, tool, url, int(step), when))
