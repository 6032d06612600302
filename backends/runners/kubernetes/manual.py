"""What is done to a component by hand, whatever deployed it: a restart, and a run of its own."""

import hashlib
from datetime import datetime

from backends.kube.errors import KubeAlreadyExists, KubeConflict
from backends.runners.base import NothingRuns, RunnerUnavailable, RunRejected
from backends.runners.kubernetes.api import Objects
from backends.runners.kubernetes.kinds import (
    CRON_JOB,
    DEPLOYMENT,
    JOB,
    RESTARTED_AT,
    RESTARTER,
    WORKLOADS,
    Json,
    Kind,
    is_ours,
    labels_of,
    selector_of,
)

ATTEMPTS = 10
INSTANTIATE = {"cronjob.kubernetes.io/instantiate": "manual"}
_ENDS = {"Complete", "Failed"}


async def find(objects: Objects, tool: str, component: str) -> tuple[Kind, Json]:
    """Return what runs of a component. Raises `NothingRuns` and `KubeError`."""
    for kind in WORKLOADS:
        found = await objects.read(kind, component)
        if found is not None and is_ours(found, tool):
            return kind, found
    raise NothingRuns(f"no component {component!r} runs that this service has started")


async def restart(objects: Objects, tool: str, component: str, now: datetime) -> None:
    """Start the pods of a continuous component anew, as its Deployment replaces them.

    That it was is set by a field manager of its own, so no later deployment takes it back.
    """
    for _ in range(ATTEMPTS):
        kind, found = await find(objects, tool, component)
        if kind is not DEPLOYMENT:
            raise RunRejected(f"{component!r} does not run all the time: start it instead")
        try:
            await objects.apply(kind, _restarted(found, now), RESTARTER)
        except KubeConflict:
            continue
        return
    raise RunnerUnavailable(f"{DEPLOYMENT} {component!r} changes all the time")


async def start(objects: Objects, tool: str, component: str) -> None:
    """Run a scheduled component once, unless a run of it has not ended yet."""
    kind, found = await find(objects, tool, component)
    if kind is not CRON_JOB:
        raise RunRejected(f"{component!r} runs all the time: restart it instead")
    jobs = await objects.listed(JOB, selector_of(tool, component))
    running = [each["metadata"]["name"] for each in jobs if not _has_ended(each)]
    if running:
        raise RunRejected(f"{component!r} is running: {running[0]}")
    try:
        await objects.create(JOB, job_of(tool, found, jobs))
    except KubeAlreadyExists as error:
        if not error.repeated:
            raise RunRejected(f"{component!r} is running: it was started just now") from None


def job_of(tool: str, cron_job: Json, jobs: list[Json]) -> Json:
    """Return a Job of a CronJob; of all who start one beside the same `jobs`, one can make it."""
    metadata, template = cron_job["metadata"], cron_job["spec"]["jobTemplate"]
    there = sorted(each["metadata"]["uid"] for each in jobs)
    digest = hashlib.sha256("\0".join([metadata["uid"], *there]).encode()).hexdigest()[:10]
    inner = template.get("metadata") or {}
    owner = {
        "apiVersion": CRON_JOB.api_version,
        "kind": CRON_JOB.name,
        "name": metadata["name"],
        "uid": metadata["uid"],
        "controller": True,
    }
    return {
        "apiVersion": JOB.api_version,
        "kind": JOB.name,
        "metadata": {
            "name": f"{metadata['name']}-{digest}",
            "labels": {**(inner.get("labels") or {}), **labels_of(tool, metadata["name"])},
            "annotations": {**(inner.get("annotations") or {}), **INSTANTIATE},
            "ownerReferences": [owner],
        },
        "spec": template["spec"],
    }


def _restarted(found: Json, now: datetime) -> Json:
    metadata = found["metadata"]
    annotations = {RESTARTED_AT: now.isoformat(timespec="seconds")}
    return {
        "apiVersion": DEPLOYMENT.api_version,
        "kind": DEPLOYMENT.name,
        "metadata": {"name": metadata["name"], "resourceVersion": metadata["resourceVersion"]},
        "spec": {"template": {"metadata": {"annotations": annotations}}},
    }


def _has_ended(job: Json) -> bool:
    conditions = (job.get("status") or {}).get("conditions") or ()
    return any(each.get("type") in _ENDS and each.get("status") == "True" for each in conditions)
