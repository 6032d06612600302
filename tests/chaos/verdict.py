"""The checks at the end of a run, and their figures."""

import asyncio
import base64
import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

from tests.builders.toolforge.builds_service import commit_of
from tests.chaos.observer import FINAL, Observer, Record
from tests.chaos.workload import Tool
from tests.chaos.world import World

SETTLE_SECONDS = 240.0
STILL_SECONDS = 60.0
"""Longer than a claim, its unknown outcome, and the longest backoff together."""

REASONS = (
    "superseded by ",
    "pruned in favour of ",
    "the configuration was deleted",
    "the same request created ",
)
"""Reasons for the cancellation of a deployment that no client has cancelled."""

TWICE = "the same request created "
LOST = "the builds service no longer knows this build"
TOO_LONG = "the build took longer than "
TOO_LATE = "the deployment took longer than "
MAY_RUN = "may still run"


async def settle(world: World) -> float:
    """Return, once no deployment is open, the longest time without progress since the last fault.

    That is the time, in seconds, between two changes of an open deployment that is not queued.
    Returns infinity after `SETTLE_SECONDS`.
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
            if known[0] == version and not _data(each)["queued"]:
                longest = max(longest, now - known[1])
            else:
                changed[name] = (version, now)
        if not still_open:
            return longest
        await asyncio.sleep(0.5)
    return float("inf")


async def problems(
    world: World, observer: Observer, tools: list[Tool], stood_still: float
) -> list[str]:
    """Return all problems."""
    builds = await world.state()
    found = [*observer.wrong, *(each for tool in tools for each in tool.wrong)]
    for name, record in observer.records.items():
        found += _of_record(name, record, builds)
    found += _of_ids(observer.records, builds)
    for tool in tools:
        found += _of_tool(tool, observer.records)
    configurations = {
        each["metadata"]["namespace"]: _data(each)["config"]
        for each in await world.documents("config")
    }
    for tool in tools:
        if configurations.get(f"tool-{tool.name}") not in (tool.configured, *tool.attempted):
            found.append(f"{tool.name}: the configuration is not one that it has sent")
    if stood_still > STILL_SECONDS:
        found.append(f"a deployment made no progress for {stood_still:.0f} s after the last fault")
    return found


def _of_record(name: str, record: Record, builds: dict[str, dict[str, Any]]) -> Iterator[str]:
    """The problems of a deployment, by its document and by the builds service."""
    if not (record.sealed or record.removed):
        yield f"{name} is not settled"
    for component, build in record.builds.items():
        where, status, message = f"{name}/{component}", build["status"], build["message"]
        if status not in FINAL:
            yield f"{where} is {status}"
        if build.get("claim"):
            yield f"{where} is still claimed"
        there = builds.get(build["build-id"], {})
        outcome, of = there.get("status", ""), there.get("of")
        ref = record.data["config"]["components"][component]["build"]["ref"]
        # A lost build is built again from the same commit.
        own = {f"{record.tool}/{component}@{each}" for each in (ref, commit_of(ref))}
        if build["build-id"] and of not in own:
            yield f"{where} has a build of {of}"
        if not _agree(status, message, outcome, record, removed=there.get("removed", True)):
            yield f"{where} is {status} ({message}), and the builds service says {outcome!r}"


def _agree(status: str, message: str, outcome: str, record: Record, *, removed: bool) -> bool:
    """Whether a build's status is consistent with the outcome in the builds service; "" for none.

    The service may have deleted it since, but its outcome does not change.
    """
    if status == "FINISHED":
        return outcome == "BUILD_SUCCESS"
    if status == "CANCELLED":
        given_up = outcome == "BUILD_SUCCESS" and (
            MAY_RUN in message or record.data["cancel-requested"]
        )
        return bool(record.data["cancel-requested"]) and (
            outcome in ("BUILD_CANCELLED", "") or given_up
        )
    if message.startswith(LOST):
        return removed and outcome != "BUILD_RUNNING"
    if message.startswith(TOO_LONG):
        return outcome == "BUILD_CANCELLED"
    return message.startswith(TOO_LATE) and outcome != "BUILD_RUNNING"


def _of_ids(records: dict[str, Record], builds: dict[str, dict[str, Any]]) -> Iterator[str]:
    """Builds that belong to two deployments or to none, and second builds of a component."""
    holders = Counter(
        build_id for record in records.values() for ids in record.ids.values() for build_id in ids
    )
    for build_id, number in holders.items():
        if number > 1:
            yield f"{build_id} belongs to {number} components"
    for build_id, build in builds.items():
        if build["status"] == "BUILD_RUNNING":
            yield f"{build_id} of {build['of']} is still running"
        if build_id not in holders and not build["removed"]:
            yield f"{build_id} of {build['of']} was started, but no deployment has it"
    for name, record in records.items():
        for component, ids in record.ids.items():
            yield from (
                f"{name}/{component} was built again, although {each} was not lost"
                for each in ids[:-1]
                if not builds[each]["removed"]
            )


def _of_tool(tool: Tool, records: dict[str, Record]) -> Iterator[str]:
    """Inconsistencies in the responses to a tool."""
    for deploy_id in tool.acknowledged:
        if deploy_id not in records:
            yield f"{deploy_id} was acknowledged and never stored"
    for deploy_id in tool.missed:
        if deploy_id in records and not records[deploy_id].removed:
            yield f"{deploy_id} was not found, but exists"
    for deploy_id in tool.cancelled:
        if not records[deploy_id].data["cancel-requested"]:
            yield f"{deploy_id} has lost its cancellation"
    for key, ids in tool.keyed.items():
        if len(set(ids)) > 1:
            yield f"the key {key} maps to {sorted(set(ids))}"
    own = {name: record for name, record in records.items() if record.tool == tool.name}
    made = Counter(
        record.data["config"]["components"]["web"]["build"]["ref"]
        for record in own.values()
        if not record.data.get("cancel-reason", "").startswith(TWICE)
    )
    for ref, number in made.items():
        if number > 1:
            yield f"{tool.name}: {number} deployments were created for {ref}"
    for name, record in own.items():
        reason = record.data.get("cancel-reason", "")
        known = reason.startswith(REASONS) or (not reason and name in tool.tried_to_cancel)
        if record.data["cancel-requested"] and not known:
            yield f"{name} was cancelled, {reason or 'without a request'}"


def _sealed(secret: dict[str, Any]) -> bool:
    return bool(secret.get("immutable"))


def _data(secret: dict[str, Any]) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(base64.b64decode(secret["data"]["document"]))
    return data
