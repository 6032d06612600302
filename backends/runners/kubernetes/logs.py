"""The log of a component: the lines of its pods, or of the pods of its latest run."""

import asyncio
from collections.abc import AsyncGenerator

from backends.kube.connection import KubeConnection
from backends.kube.errors import KubeInvalid, KubeNotFound
from backends.kube.pod_logs import container_lines
from backends.runners.base import NothingRuns
from backends.runners.kubernetes.api import Objects
from backends.runners.kubernetes.kinds import CRON_JOB, POD, Json, selector_of
from backends.runners.kubernetes.manual import find

LOOK_SECONDS = 2.0
"""How often it is looked for other pods of a component that is followed."""

AHEAD = 100
"""How many lines are read before somebody has taken them."""

_NOT_BEGUN = "Pending"


async def component_lines(
    kube: KubeConnection, objects: Objects, tool: str, component: str, *, follow: bool
) -> AsyncGenerator[str, None]:
    """Yield the lines of a component, one pod after the other; if `follow`, of all as they come.

    Raises `NothingRuns` and `KubeError`. What is followed ends when the component is stopped.
    """
    if follow:
        async for line in _followed(kube, objects, tool, component):
            yield line
        return
    for pod in await _pods(objects, tool, component):
        async for line in _pod_lines(kube, objects, pod, component, follow=False):
            yield line


async def _followed(
    kube: KubeConnection, objects: Objects, tool: str, component: str
) -> AsyncGenerator[str, None]:
    lines: asyncio.Queue[str] = asyncio.Queue(AHEAD)
    tasks: dict[str, asyncio.Task[None]] = {}

    async def pump(pod: Json) -> None:
        async for line in _pod_lines(kube, objects, pod, component, follow=True):
            await lines.put(line)

    async def look() -> None:
        while True:
            try:
                pods = await _pods(objects, tool, component)
            except NothingRuns:
                if not tasks:
                    raise
                break
            for pod in pods:
                if pod["metadata"]["uid"] not in tasks:
                    task = asyncio.create_task(pump(pod), name=f"log {pod['metadata']['name']}")
                    tasks[pod["metadata"]["uid"]] = task
            await asyncio.sleep(LOOK_SECONDS)
        await asyncio.gather(*tasks.values())

    looking = asyncio.create_task(look(), name=f"logs {component}")
    try:
        while not (looking.done() and lines.empty()):
            taking = asyncio.ensure_future(lines.get())
            try:
                await asyncio.wait((looking, taking), return_when=asyncio.FIRST_COMPLETED)
                if taking.done():
                    yield taking.result()
            finally:
                taking.cancel()
        await looking
    finally:
        under_way = (looking, *tasks.values())
        for each in under_way:
            each.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)


async def _pod_lines(
    kube: KubeConnection, objects: Objects, pod: Json, component: str, *, follow: bool
) -> AsyncGenerator[str, None]:
    name = pod["metadata"]["name"]
    try:
        async for line in container_lines(kube, objects.namespace, name, component, follow=follow):
            yield line
    except (KubeInvalid, KubeNotFound):
        return  # it has not begun, or it is gone


async def _pods(objects: Objects, tool: str, component: str) -> list[Json]:
    """Return the pods whose logs are there, the oldest first. Raises `NothingRuns`."""
    kind, _ = await find(objects, tool, component)
    pods = await objects.listed(POD, selector_of(tool, component))
    begun = [each for each in pods if (each.get("status") or {}).get("phase") != _NOT_BEGUN]
    return _of_latest_run(begun) if kind is CRON_JOB else sorted(begun, key=_begun)


def _of_latest_run(pods: list[Json]) -> list[Json]:
    if not pods:
        return []
    latest = _job(max(pods, key=_begun))
    return sorted((each for each in pods if _job(each) == latest), key=_begun)


def _begun(pod: Json) -> tuple[str, str]:
    return (pod["metadata"].get("creationTimestamp") or "", pod["metadata"]["name"])


def _job(pod: Json) -> str:
    owners = pod["metadata"].get("ownerReferences") or ()
    return next((str(each.get("uid")) for each in owners if each.get("controller")), "")
