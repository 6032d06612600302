"""A scheduler for one Node, which has room for whatever does not ask for more than it has."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.cluster.installation import MERGE, Caller, Json

CPUS = 64
TOO_LARGE = "0/1 nodes are available: 1 Insufficient cpu."


@asynccontextmanager
async def scheduling(admin: Caller, node: str, *namespaces: str) -> AsyncIterator[None]:
    """Put the Pods of some namespaces on a Node, as they come."""
    placing = asyncio.Lock()

    async def schedule(events: AsyncIterator[Json]) -> None:
        async for event in events:
            pod = event["object"]
            if event["type"] == "ADDED" and pod["metadata"]["namespace"] in namespaces:
                async with placing:
                    await _place(admin, node, pod)

    async with admin.watching("/api/v1/pods", fieldSelector="spec.nodeName=") as events:
        task = asyncio.create_task(schedule(events))
        try:
            yield
        finally:
            ended = task.done()
            async with placing:  # no call is left half done
                task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            assert not ended, "the scheduler has ended"


async def _place(admin: Caller, node: str, pod: Json) -> None:
    name, namespace = pod["metadata"]["name"], pod["metadata"]["namespace"]
    path = f"/api/v1/namespaces/{namespace}/pods/{name}"
    if _cpus(pod) > CPUS:
        condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}
        body: Json = {"status": {"conditions": [{**condition, "message": TOO_LARGE}]}}
        status, answer = await admin.call("PATCH", f"{path}/status", body, MERGE)
    else:
        target = {"apiVersion": "v1", "kind": "Node", "name": node}
        body = {"metadata": {"name": name}, "target": target}
        status, answer = await admin.call("POST", f"{path}/binding", body)
    assert status in (200, 201, 404, 409), answer  # it may have gone already


def _cpus(pod: Json) -> float:
    """Return what a Pod asks for, in whole processors; what is less is nothing here."""
    asked = [
        each.get("resources", {}).get("requests", {}).get("cpu", "0")
        for each in pod["spec"]["containers"]
    ]
    return sum(float(each) for each in asked if not each.endswith("m"))
