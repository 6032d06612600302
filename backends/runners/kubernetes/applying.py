"""How an object is brought to a wanted state, or deleted, while others may do the same.

Each object has the fence of the request that made it. Nothing is written but to the version that
was read, or where there is none; who meets another reads again, and looks at the fence.
"""

from backends.kube.errors import KubeAlreadyExists, KubeConflict, KubeInvalid, KubeNotFound
from backends.runners.base import Fence, RunnerUnavailable, RunRejected, RunRequest, Superseded
from backends.runners.kubernetes.api import Objects
from backends.runners.kubernetes.fields import adoption, claimed, drift_of
from backends.runners.kubernetes.kinds import Json, Kind, is_ours
from backends.runners.kubernetes.objects import object_of
from backends.runners.kubernetes.record import Made, Record, annotations_of, fence_of, record_of

ATTEMPTS = 10
"""How often one call reads again: what counts instances may write as often as they change."""


async def bring(
    objects: Objects, kind: Kind, request: RunRequest, made: Made, found: Json | None
) -> None:
    """Bring an object to what was made of a request; `found` is what there was by the last list.

    Raises `Superseded`, `KubeError`, and `RunRejected` for an object that is not this service's.
    """
    is_fresh = False
    for _ in range(ATTEMPTS):
        if found is None:
            found, is_fresh = await _created(objects, kind, request, made), True
        if found is None:
            continue
        _check(kind, found, request.tool, request.fence)
        try:
            await _write(objects, kind, request, made, found, is_fresh=is_fresh)
        except (KubeConflict, KubeNotFound):
            found, is_fresh = await objects.read(kind, request.component), True
        else:
            return
    raise RunnerUnavailable(f"{kind} {request.component!r} changes all the time")


async def delete(
    objects: Objects, kind: Kind, tool: str, found: Json | None, fence: Fence | None
) -> None:
    """Delete an object, if this service made it. Raises `Superseded` and `KubeError`."""
    for _ in range(ATTEMPTS):
        if found is None or not is_ours(found, tool):
            return
        _check_fence(kind, found, fence)
        try:
            await objects.delete(kind, found)
        except KubeNotFound:
            return
        except KubeConflict:
            found = await objects.read(kind, found["metadata"]["name"])
        else:
            return
    raise RunnerUnavailable(f"a {kind} changes all the time, and could not be deleted")


def record_for(request: RunRequest, made: Made, now: Record | None) -> Record:
    """Return the record of an object for a request, `now` being the one that it has.

    A wanted state that it has, or had before, is what it was then, whatever would be made today.
    """
    before = now.made if now else None
    if now is not None and now.made.wanted == request.wanted:
        made, before = now.made, now.before
    elif now is not None and now.before is not None and now.before.wanted == request.wanted:
        made = now.before
    return Record(made, request.origin, request.fence, before)


async def _created(objects: Objects, kind: Kind, request: RunRequest, made: Made) -> Json | None:
    """Return the object that was made, or the one of this name; None if that is gone again."""
    record = Record(made, request.origin, request.fence)
    body = object_of(kind, request.tool, request.component, made.content, annotations_of(record))
    try:
        return await objects.create(kind, body)
    except KubeAlreadyExists:
        return await objects.read(kind, request.component)


async def _write(
    objects: Objects, kind: Kind, request: RunRequest, made: Made, found: Json, *, is_fresh: bool
) -> None:
    """Bring one version of an object to a wanted state. Raises `KubeConflict` for another one.

    What a list had may be gone by now, so it is written even if that has done all already.
    """
    if patch := adoption(found):
        found = await _adopted(objects, kind, request.component, patch)
    now = record_of(found)
    record = record_for(request, made, now)
    applied = now is not None and (now.fence, now.hash) == (record.fence, record.hash)
    if is_fresh and applied and not drift_of(kind.name, found, now):
        return
    if fields := claimed(found, now):
        found = await objects.patch(kind, request.component, _claim(found, fields))
    annotations = annotations_of(record)
    body = object_of(kind, request.tool, request.component, record.made.content, annotations)
    body["metadata"]["resourceVersion"] = found["metadata"]["resourceVersion"]
    await objects.apply(kind, body)


async def _adopted(objects: Objects, kind: Kind, name: str, patch: list[Json]) -> Json:
    try:
        return await objects.patch(kind, name, patch)
    except KubeInvalid as error:
        # A test in it failed: somebody has written since the object was read.
        raise KubeConflict(str(error)) from None


def _claim(found: Json, fields: list[Json]) -> Json:
    version = found["metadata"]["resourceVersion"]
    return {"metadata": {"resourceVersion": version, "managedFields": fields}}


def _check(kind: Kind, found: Json, tool: str, fence: Fence) -> None:
    name = found["metadata"]["name"]
    if not is_ours(found, tool):
        raise RunRejected(f"there is a {kind} {name!r} that this service did not make")
    _check_fence(kind, found, fence)
    if found["metadata"].get("deletionTimestamp"):
        raise RunnerUnavailable(f"{kind} {name!r} is being deleted")


def _check_fence(kind: Kind, found: Json, fence: Fence | None) -> None:
    there = fence_of(found)
    if fence is not None and there is not None and there > fence:
        name = found["metadata"]["name"]
        raise Superseded(f"{kind} {name!r} was made by {there.deploy_id}, which is newer")
