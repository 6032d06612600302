"""What runs of a tool: one list for each kind, and for what is not well, one of pods as well."""

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from backends.kube.errors import KubeError
from backends.runners.base import Fence, Health, Running, Wanted
from backends.runners.kubernetes.api import Objects
from backends.runners.kubernetes.fields import drift_of
from backends.runners.kubernetes.health import HEALTHY, State, rollout, route
from backends.runners.kubernetes.kinds import (
    CRON_JOB,
    DEPLOYMENT,
    HTTP_ROUTE,
    POD,
    REPLICA_SET,
    RESTARTED_AT,
    SERVICE,
    WORKLOADS,
    Json,
    Kind,
    is_ours,
    selector_of,
)
from backends.runners.kubernetes.objects import URL
from backends.runners.kubernetes.pods import Trouble, restarts, worst
from backends.runners.kubernetes.record import fence_of, record_of
from backends.runners.kubernetes.schedules import next_run

Found = Mapping[Kind, Json]
"""The objects of a component, by kind."""

LOG_LINES = 10
LOG_BYTES = 1200
"""How much of a log a message may have, which has to hold the reason as well."""

_REVISION = "deployment.kubernetes.io/revision"


@dataclass(frozen=True, slots=True)
class Instances:
    """The pods of the present version of a component, and what is wrong with them."""

    trouble: Trouble | None = None
    restarts: int = 0
    log: str = ""


async def list_running(
    objects: Objects, tool: str, published: Kind | None, now: datetime
) -> dict[str, Running]:
    """Return what runs of a tool, by component. Raises `KubeError`."""
    found = await _objects(objects, tool, published)
    states = {component: _state(each) for component, each in found.items()}
    unwell = {
        component: found[component][DEPLOYMENT]
        for component, state in states.items()
        if state.health is not Health.HEALTHY and state.seen and DEPLOYMENT in found[component]
    }
    instances = await _instances(objects, tool, unwell) if unwell else {}
    return {
        component: _running(
            component, each, states[component], instances.get(component), published, now
        )
        for component, each in found.items()
    }


async def _lists(objects: Objects, tool: str, kinds: Iterable[Kind]) -> dict[Kind, list[Json]]:
    selector = selector_of(tool)
    asked = tuple(kinds)
    tasks = [asyncio.create_task(objects.listed(kind, selector)) for kind in asked]
    try:
        return dict(zip(asked, await asyncio.gather(*tasks), strict=True))
    finally:
        # Where one has failed, nobody waits for the others.
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _objects(
    objects: Objects, tool: str, published: Kind | None
) -> dict[str, dict[Kind, Json]]:
    kinds = [*WORKLOADS, SERVICE, *([published] if published else [])]
    found: dict[str, dict[Kind, Json]] = {}
    for kind, items in (await _lists(objects, tool, kinds)).items():
        for each in items:
            if is_ours(each, tool):
                found.setdefault(each["metadata"]["name"], {})[kind] = each
    return dict(sorted(found.items()))


def workload_of(found: Found) -> tuple[Kind, Json] | None:
    """Return what runs of a component; the newer one while its type is being changed."""
    there = [(kind, found[kind]) for kind in WORKLOADS if kind in found]
    return max(there, key=lambda each: str(fence_of(each[1]) or ""), default=None)


def _state(found: Found) -> State:
    match workload_of(found):
        case None:
            return State(Health.FAILED, "only what leads to it is there, and nothing runs")
        case (kind, _) if kind is CRON_JOB:
            return HEALTHY
        case (_, deployment):
            state = rollout(deployment)
    if state.health is Health.HEALTHY and HTTP_ROUTE in found:
        return route(found[HTTP_ROUTE])
    return state


async def _instances(
    objects: Objects, tool: str, deployments: Mapping[str, Json]
) -> dict[str, Instances]:
    """Return what is wrong with the pods of some components' newest ReplicaSets."""
    lists = await _lists(objects, tool, (REPLICA_SET, POD))
    newest = {
        component: {
            each["metadata"]["uid"]
            for each in lists[REPLICA_SET]
            if _owner(each) == deployment["metadata"]["uid"]
            and _annotation(each, _REVISION) == _annotation(deployment, _REVISION)
        }
        for component, deployment in deployments.items()
    }
    pods = {
        component: [
            each
            for each in lists[POD]
            if _owner(each) in uids and not each["metadata"].get("deletionTimestamp")
        ]
        for component, uids in newest.items()
    }
    told = await asyncio.gather(*(_told(objects, each) for each in pods.values()))
    return dict(zip(pods, told, strict=True))


async def _told(objects: Objects, pods: list[Json]) -> Instances:
    trouble = worst(pods)
    crashed = trouble.crashed if trouble else None
    log = ""
    if crashed is not None:
        try:
            log = await objects.log_tail(
                crashed.pod, crashed.container, LOG_LINES, LOG_BYTES * 10, previous=crashed.previous
            )
        except KubeError as error:
            log = f"(its log cannot be read: {error})"
    return Instances(trouble, restarts(pods), log)


def _running(
    component: str,
    found: Found,
    state: State,
    instances: Instances | None,
    published: Kind | None,
    now: datetime,
) -> Running:
    health, message = _with_trouble(state, instances or Instances())
    common = Running(
        component,
        health,
        message,
        restarts=instances.restarts if instances else 0,
        url=next(filter(None, (_annotation(each, URL) for each in found.values())), None),
        drift=tuple(
            told
            for kind, each in found.items()
            for told in drift_of(kind.name, each, record_of(each))
        ),
        version=found,
    )
    workload = workload_of(found)
    if workload is None:
        return common
    kind, each = workload
    record = record_of(each)
    if kind is CRON_JOB:
        active = len((each.get("status") or {}).get("active") or ())
        due = None if each["spec"].get("suspend") else next_run(each["spec"]["schedule"], now)
        common = replace(common, ready=active, replicas=active, next_run=due)
    else:
        common = replace(
            common,
            ready=(each.get("status") or {}).get("readyReplicas", 0),
            replicas=each["spec"].get("replicas", 1),
        )
    if record is None:
        return common
    wanted = {kind, *_leading(record.made.wanted, published)}
    missing = tuple(
        f"{each.name.lower()} {component}: is missing" for each in wanted - found.keys()
    )
    left = tuple(f"{each.name.lower()} {component}: is left over" for each in found.keys() - wanted)
    return replace(
        common,
        wanted=record.made.wanted,
        origin=record.origin,
        fence=None if missing else _oldest(found),
        started=max(record.made.started, _restarted(each) or record.made.started),
        drift=common.drift + missing + left,
    )


def _leading(wanted: Wanted, published: Kind | None) -> Iterator[Kind]:
    """Yield the kinds of what leads to a component."""
    if wanted.spec.port is not None:
        yield SERVICE
    if wanted.spec.publish is not None and published is not None:
        yield published


def _with_trouble(state: State, instances: Instances) -> tuple[Health, str]:
    trouble = instances.trouble
    if trouble is None:
        return state.health, state.message
    health = Health.FAILED if state.health is Health.FAILED else trouble.health
    lines = [f"{state.message}; {trouble.message}" if state.message else trouble.message]
    if instances.log.strip():
        lines += ["the end of its log:", *_last_lines(instances.log)]
    return health, "\n".join(lines)


def _last_lines(log: str) -> list[str]:
    tail = log.rstrip().encode("utf-8", "replace")[-LOG_BYTES:]
    return tail.decode("utf-8", "ignore").splitlines()[-LOG_LINES:]


def _oldest(found: Found) -> Fence | None:
    """Return the fence that all objects have come to at least; None if one is unreadable."""
    fences = [fence_of(each) for each in found.values()]
    known = [each for each in fences if each is not None]
    return min(known) if len(known) == len(fences) else None


def _restarted(deployment: Json) -> datetime | None:
    template = deployment["spec"].get("template") or {}
    annotations = (template.get("metadata") or {}).get("annotations") or {}
    try:
        found = datetime.fromisoformat(annotations.get(RESTARTED_AT, ""))
    except ValueError:
        return None
    return found if found.tzinfo else None


def _owner(found: Json) -> str:
    owners = found["metadata"].get("ownerReferences") or ()
    return next((str(each.get("uid")) for each in owners if each.get("controller")), "")


def _annotation(found: Json, name: str) -> str:
    return str((found["metadata"].get("annotations") or {}).get(name, ""))
