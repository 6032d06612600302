"""What is wrong with pods, in words."""

from typing import Any

import pytest

from backends.runners.kubernetes.kinds import Json
from backends.runners.kubernetes.pods import Crashed, restarts, worst


def pod(state: Json, name: str = "web-1", last: Json | None = None, **more: Any) -> Json:
    container = {"name": "web", "image": "example.org/web:1", "ready": False, "state": state}
    return {
        "metadata": {"name": name},
        "status": {"containerStatuses": [{**container, "lastState": last or {}, **more}]},
    }


def waiting(reason: str, message: str = "") -> Json:
    return {"waiting": {"reason": reason, "message": message}}


def ended(code: int, reason: str = "Error") -> Json:
    return {"terminated": {"exitCode": code, "reason": reason}}


@pytest.mark.parametrize(
    ("found", "failed", "message"),
    [
        (
            pod(waiting("ImagePullBackOff", "not found")),
            True,
            "the image example.org/web:1 cannot be pulled: ImagePullBackOff: not found",
        ),
        (
            pod(waiting("InvalidImageName")),
            True,
            "the image example.org/web:1 cannot be pulled: InvalidImageName",
        ),
        (
            pod(waiting("ErrImagePull", "timeout")),
            False,
            "the image example.org/web:1 cannot be pulled: ErrImagePull: timeout",
        ),
        (
            pod(waiting("CreateContainerConfigError", 'secret "a" not found')),
            True,
            'its container cannot be made: CreateContainerConfigError: secret "a" not found',
        ),
        (
            pod(waiting("CrashLoopBackOff"), last=ended(1), restartCount=2),
            True,
            "it keeps crashing, 2 times so far: exit code 1",
        ),
        (
            pod({"running": {}}, last=ended(139), restartCount=3),
            True,
            "it keeps crashing, 3 times so far: exit code 139, signal 11",
        ),
        (
            pod(waiting("CrashLoopBackOff"), last=ended(137, "OOMKilled"), restartCount=1),
            True,
            "it keeps crashing, 1 times so far: OOMKilled: it used more memory than it may have "
            "(exit code 137)",
        ),
        (pod(ended(1)), False, "it has ended, and is started again: exit code 1"),
        (pod({"running": {}}), False, "it runs, and does not pass its health check yet"),
    ],
)
def test_a_container_that_is_not_ready_says_why(found: Json, failed: bool, message: str) -> None:
    trouble = worst([found])
    assert trouble is not None
    assert (trouble.failed, trouble.message) == (failed, message)


def test_what_cannot_be_scheduled_may_be_later() -> None:
    words = "0/3 nodes are available: 3 Insufficient memory."
    unscheduled = {"type": "PodScheduled", "status": "False", "message": words}
    trouble = worst([{"metadata": {"name": "a"}, "status": {"conditions": [unscheduled]}}])
    assert trouble is not None
    assert (trouble.failed, trouble.message) == (False, f"no node has room for it: {words}")


def test_what_was_evicted_is_told() -> None:
    status = {"phase": "Failed", "reason": "Evicted", "message": "The node was low on memory."}
    trouble = worst([{"metadata": {"name": "a"}, "status": status}])
    assert trouble is not None
    assert trouble.message == "an instance was ended: Evicted: The node was low on memory."


def test_what_is_ready_or_not_begun_has_no_trouble() -> None:
    ready = pod({"running": {}}, last=ended(1), ready=True, restartCount=9)
    assert worst([ready, pod(waiting("ContainerCreating")), {"metadata": {"name": "x"}}]) is None


def test_what_has_failed_counts_more_than_what_may_pass() -> None:
    trouble = worst(
        [pod({"running": {}}), pod(waiting("CrashLoopBackOff"), "web-2", ended(1), restartCount=2)]
    )
    assert trouble is not None
    assert trouble.crashed == Crashed("web-2", "web", previous=True)


def test_the_log_is_that_of_the_container_that_has_ended() -> None:
    trouble = worst([pod(ended(1), restartCount=3)])
    assert trouble is not None
    assert trouble.crashed == Crashed("web-1", "web", previous=False)


def test_restarts_are_counted_over_all_pods() -> None:
    pods = [pod({}, restartCount=2), pod({}, restartCount=3), {"metadata": {"name": "x"}}]
    assert restarts(pods) == 5
