"""What KWOK, in the place of kubelets, says of a Pod: what its image or its command asks for.

An image `registry.invalid/<fate>:1`, or a command `<fate>`, has one of these fates; any other comes
up at once. The Pod of a Job ends instead of coming up.
"""

import json
from enum import StrEnum
from typing import Any, TypeAlias

Json: TypeAlias = dict[str, Any]
COME_UP = "tests/come-up"
"""The annotation with which a Pod whose fate is to be slow comes up."""


class Fate(StrEnum):
    """What becomes of a container."""

    OK = "ok"
    SLOW = "slow"
    """It runs, and is not ready before it is told to be."""

    CRASH = "crash"
    OUT_OF_MEMORY = "oom"
    NO_IMAGE = "pull"


def image(fate: Fate) -> str:
    """Return the image that asks for a fate."""
    return f"registry.invalid/{fate}:1"


_IMAGE = '(.image | split("/") | last | split("@") | first | split(":") | first)'
_FATE = f".spec.containers[0] | {_IMAGE}, (.command // [] | first)"
_OWNER = ".metadata.ownerReferences[0].kind"
_FRESH = {"key": ".status.containerStatuses", "operator": "DoesNotExist"}
_STAYS = {"key": ".metadata.deletionTimestamp", "operator": "DoesNotExist"}
_NOT_OK = [each for each in Fate if each is not Fate.OK]
_TOLD = {"key": f'.metadata.annotations["{COME_UP}"]', "operator": "Exists"}
_NOW = "{{ Now | Quote }}"


def _is(key: str, *values: str) -> Json:
    return {"key": key, "operator": "In", "values": [*values]}


def _is_not(key: str, *values: str) -> Json:
    return {"key": key, "operator": "NotIn", "values": [*values]}


_OF_A_JOB, _CONTINUOUS = _is(_OWNER, "Job"), _is_not(_OWNER, "Job")


def _pod(phase: str, ready: bool, **container: Any) -> str:
    """Return a template of a Pod's status, with the same said of each container."""
    told = str(ready)
    conditions = [
        {"type": kind, "status": status, "lastTransitionTime": "NOW"}
        for kind, status in (
            ("PodScheduled", "True"),
            ("Initialized", "True"),
            ("ContainersReady", told),
            ("Ready", told),
        )
    ]
    status = {"restartCount": 0, "ready": ready, "started": ready, "imageID": ""} | container
    # KWOK's templates are text: what is JSON here is YAML there.
    lines = [
        f"phase: {phase}",
        f"startTime: {_NOW}",
        f"conditions: {json.dumps(conditions)}",
        "containerStatuses:",
        "{{ range .spec.containers }}",
        f"- {json.dumps(status)[:-1]}, "
        '"name": {{ .name | Quote }}, "image": {{ .image | Quote }}}',
        "{{ end }}",
    ]
    return "\n".join(lines).replace('"NOW"', _NOW)


def _ended(code: int, reason: str) -> Json:
    times = {"startedAt": "NOW", "finishedAt": "NOW"}
    return {"terminated": {"exitCode": code, "reason": reason, **times}}


def _waiting(reason: str, message: str) -> Json:
    return {"waiting": {"reason": reason, "message": message}}


def _crashing(code: int, reason: str) -> str:
    waiting = _waiting("CrashLoopBackOff", "back-off 10s restarting failed container")
    return _pod(
        "Running", False, restartCount=3, state=waiting, lastState=_ended(code, reason)
    )  # fmt: skip


def _stage(name: str, kind: str, when: list[Json], **then: Any) -> Json:
    return {
        "apiVersion": "kwok.x-k8s.io/v1alpha1",
        "kind": "Stage",
        "metadata": {"name": name},
        "spec": {
            "resourceRef": {"apiGroup": "v1", "kind": kind},
            "selector": {"matchExpressions": when},
            "next": then,
        },
    }


def _becomes(name: str, when: list[Json], status: str) -> Json:
    return _stage(name, "Pod", [_STAYS, *when], statusTemplate=status)


def stages() -> str:
    """Return KWOK's configuration."""
    running = {"running": {"startedAt": "NOW"}}
    ready = f'{{type: Ready, status: "True", reason: Ready, lastTransitionTime: {_NOW}}}'
    up, unready = _pod("Running", True, state=running), _pod("Running", False, state=running)
    done = _pod("Succeeded", False, state=_ended(0, "Completed"))
    backing_off = _waiting("ImagePullBackOff", "Back-off pulling image: not found")
    is_running = _is(".status.phase", "Running")
    is_ready = '.status.conditions[] | select(.type == "Ready") | .status'
    found = [
        _stage(
            "node-is-ready",
            "Node",
            [{"key": ".status.conditions", "operator": "DoesNotExist"}],
            statusTemplate=f"conditions: [{ready}]",
        ),
        _stage(
            "pod-goes",
            "Pod",
            [{"key": ".metadata.deletionTimestamp", "operator": "Exists"}],
            delete=True,
        ),
        _becomes("up", [_FRESH, _is_not(_FATE, *_NOT_OK), _CONTINUOUS], up),
        _becomes("begins", [_FRESH, _is_not(_FATE, *_NOT_OK), _OF_A_JOB], unready),
        _becomes("ends", [is_running, _is_not(_FATE, *_NOT_OK), _OF_A_JOB], done),
        _becomes("runs", [_FRESH, _is(_FATE, Fate.SLOW)], unready),
        _becomes("comes-up", [is_running, _TOLD, _CONTINUOUS, _is_not(is_ready, "True")], up),
        _becomes("is-done", [is_running, _TOLD, _OF_A_JOB], done),
        _becomes("has-no-image", [_FRESH, _is(_FATE, Fate.NO_IMAGE)],
                 _pod("Pending", False, state=backing_off)),
    ]  # fmt: skip
    for fate, code, reason in (
        (Fate.CRASH, 1, "Error"),
        (Fate.OUT_OF_MEMORY, 137, "OOMKilled"),
    ):
        fresh = [_FRESH, _is(_FATE, fate)]
        failed = _pod("Failed", False, state=_ended(code, reason))
        found += [
            _becomes(f"{fate}-again", [*fresh, _CONTINUOUS], _crashing(code, reason)),
            _becomes(f"{fate}-for-good", [*fresh, _OF_A_JOB], failed),
        ]
    return "\n---\n".join(json.dumps(each) for each in found)
