"""How an object does, by the rules of kstatus: what was observed first, then the conditions.

github.com/kubernetes-sigs/cli-utils/blob/master/pkg/kstatus/README.md
"""

from dataclasses import dataclass

from backends.runners.base import Health
from backends.runners.kubernetes.kinds import Json


@dataclass(frozen=True, slots=True)
class State:
    """How something does, and in words why; `seen` says whether the cluster has looked yet."""

    health: Health
    message: str = ""
    seen: bool = True


HEALTHY = State(Health.HEALTHY)
_REFUSED = ("is forbidden", "denied", "is invalid")


def rollout(deployment: Json) -> State:
    """Return how a Deployment does. It is healthy once nothing of its old version is left."""
    status = deployment.get("status") or {}
    if status.get("observedGeneration", 0) < deployment["metadata"].get("generation", 0):
        return State(Health.PROGRESSING, "the cluster has not begun yet", seen=False)
    conditions = {each.get("type"): each for each in status.get("conditions") or ()}
    failure = conditions.get("ReplicaFailure") or {}
    refused = str(failure.get("message", "")) if failure.get("status") == "True" else ""
    if any(each in refused for each in _REFUSED):
        return State(Health.FAILED, f"the cluster refuses its instances: {refused}")
    counts = _counts(deployment, status)
    progressing = conditions.get("Progressing") or {}
    if progressing.get("reason") == "ProgressDeadlineExceeded":
        limit = deployment["spec"].get("progressDeadlineSeconds")
        return State(Health.FAILED, f"it was not healthy within {limit} s: {counts}".rstrip(": "))
    if counts or refused:
        return State(Health.PROGRESSING, "; ".join(filter(None, (counts, refused))))
    return HEALTHY


def _counts(deployment: Json, status: Json) -> str:
    """Return what is still to come, in words; empty where nothing is."""
    wanted = deployment["spec"].get("replicas", 1)
    updated, total = status.get("updatedReplicas", 0), status.get("replicas", 0)
    available = status.get("availableReplicas", 0)
    if deployment["spec"].get("paused"):
        return "somebody has paused it"
    if updated < wanted:
        return f"{updated} of {wanted} instances have the new version"
    if available < min(updated, wanted):
        return f"{available} of {wanted} instances are ready"
    if total > updated:
        return f"{total - updated} instances of the old version are still there"
    if updated > wanted:
        return f"{updated - wanted} instances too many are still there"
    return ""


def route(http_route: Json) -> State:
    """Return how an HTTPRoute does: a Gateway may not take it."""
    generation = http_route["metadata"].get("generation", 0)
    for parent in (http_route.get("status") or {}).get("parents") or ():
        for each in parent.get("conditions") or ():
            if each.get("type") not in {"Accepted", "ResolvedRefs"}:
                continue
            if each.get("observedGeneration", 0) < generation:
                return State(Health.PROGRESSING, "the Gateway has not taken its route yet")
            if each.get("status") == "False":
                words = f"{each.get('reason', '')}: {each.get('message', '')}".strip(": ")
                return State(Health.PROGRESSING, f"the Gateway does not take its route: {words}")
    return HEALTHY
