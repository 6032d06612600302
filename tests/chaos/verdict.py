"""What must be true in the end, and the figures that show it."""

import asyncio
import base64
import json
from typing import Any

from tests.chaos.workload import Tool
from tests.chaos.world import World

SETTLE_SECONDS = 120.0
STILL_SECONDS = 30.0
_FINAL = ("FINISHED", "ERROR", "CANCELLED")


async def settle(world: World) -> float:
    """Return, once no deployment is open, for how long one stood still since the last fault.

    That is the longest time, in seconds, between two changes of an open deployment. Gives up after
    `SETTLE_SECONDS`, with infinity.
    """
    loop = asyncio.get_running_loop()
    began, longest = loop.time(), 0.0
    changed: dict[str, tuple[str, float]] = {}
    while loop.time() - began < SETTLE_SECONDS:
        now = loop.time()
        still_open = [each for each in await world.documents("deployment") if not _sealed(each)]
        for each in still_open:
            name, version = each["metadata"]["name"], each["metadata"]["resourceVersion"]
            known = changed.get(name, ("", now if name in changed else began))
            if known[0] == version:
                longest = max(longest, now - known[1])
            else:
                changed[name] = (version, now)
        if not still_open:
            return longest
        await asyncio.sleep(0.5)
    return float("inf")


async def problems(world: World, tools: list[Tool], stood_still: float) -> list[str]:
    """Return all that is not as it must be."""
    found = [each for tool in tools for each in tool.wrong]
    deployments = {
        each["metadata"]["name"]: _data(each) for each in await world.documents("deployment")
    }
    for tool in tools:
        found += [
            f"{deploy_id} was acknowledged and is gone"
            for deploy_id in tool.acknowledged
            if deploy_id not in deployments
        ]
    for name, data in deployments.items():
        for component, build in data["builds"].items():
            if build["status"] not in _FINAL:
                found.append(f"{name}/{component} is {build['status']}")
            if build["status"] != "FINISHED":
                found.append(f"{name}/{component} ended {build['status']}: {build['message']}")
            if build.get("claim"):
                found.append(f"{name}/{component} is left claimed")
    ids = [build["build-id"] for data in deployments.values() for build in data["builds"].values()]
    if len(set(ids)) != len(ids):
        found.append(f"{len(ids) - len(set(ids))} builds belong to two deployments")
    started = await world.started()
    twice = {what: number for what, number in started.items() if number != 1}
    found += [f"{what} was started {number} times" for what, number in twice.items()]
    if sum(started.values()) != len(ids):
        found.append(f"{sum(started.values())} builds were started for {len(ids)}")
    configurations = {
        each["metadata"]["namespace"]: _data(each)["config"]
        for each in await world.documents("config")
    }
    for tool in tools:
        possible = [each for each in (tool.configured, *tool.attempted) if each is not None]
        if configurations.get(f"tool-{tool.name}") not in possible:
            found.append(f"{tool.name}: the configuration is not one that it gave")
    if stood_still > STILL_SECONDS:
        found.append(f"a deployment stood still for {stood_still:.0f} s after the last fault")
    return found


def _sealed(secret: dict[str, Any]) -> bool:
    return bool(secret.get("immutable"))


def _data(secret: dict[str, Any]) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(base64.b64decode(secret["data"]["document"]))
    return data
