"""What is wrong with a pod, in words for the maintainers of a tool."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from backends.runners.base import Health
from backends.runners.kubernetes.kinds import Json

KEEPS_CRASHING = 3
"""After so many restarts, what is not ready keeps crashing, even while it runs."""

_CANNOT_BE_PULLED = {"ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"}
_MAY_STILL_BE_PULLED = {"ErrImagePull", "RegistryUnavailable"}
_CANNOT_BE_MADE = {"CreateContainerConfigError", "CreateContainerError", "PreCreateHookError"}
_KILLED = 128


@dataclass(frozen=True, slots=True)
class Crashed:
    """A container that has ended: its log tells why. `previous` is the one before the present."""

    pod: str
    container: str
    previous: bool


@dataclass(frozen=True, slots=True)
class Trouble:
    """What keeps a pod from being ready; `failed` if it will not pass by itself."""

    failed: bool
    message: str
    crashed: Crashed | None = None

    @property
    def health(self) -> Health:
        """What this means for the component."""
        return Health.FAILED if self.failed else Health.PROGRESSING


def worst(pods: Iterable[Json]) -> Trouble | None:
    """Return what is wrong with some pods: what has failed counts more than what may pass."""
    found = sorted(pods, key=lambda pod: str(pod["metadata"]["name"]))
    troubles = [each for pod in found for each in _troubles(pod)]
    return next((each for each in troubles if each.failed), next(iter(troubles), None))


def restarts(pods: Iterable[Json]) -> int:
    """Return how often containers of some pods were started again."""
    return sum(each.get("restartCount", 0) for pod in pods for each in _containers(pod))


def _troubles(pod: Json) -> Iterator[Trouble]:
    status = pod.get("status") or {}
    for each in status.get("conditions") or ():
        if each.get("type") == "PodScheduled" and each.get("status") == "False":
            yield Trouble(False, f"no node has room for it: {each.get('message', '')}".rstrip(": "))
    if status.get("phase") == "Failed" and status.get("reason"):
        words = f"{status['reason']}: {status.get('message', '')}".rstrip(": ")
        yield Trouble(False, f"an instance was ended: {words}")
    for container in _containers(pod):
        if not container.get("ready"):
            trouble = _trouble(pod["metadata"]["name"], container)
            if trouble is not None:
                yield trouble


def _trouble(pod: str, container: Json) -> Trouble | None:
    state = container.get("state") or {}
    waiting = state.get("waiting") or {}
    reason, message = waiting.get("reason", ""), str(waiting.get("message", ""))
    words = f"{reason}: {message}".rstrip(": ")
    if reason in _CANNOT_BE_PULLED | _MAY_STILL_BE_PULLED:
        image = container.get("image", "")
        failed = reason in _CANNOT_BE_PULLED
        return Trouble(failed, f"the image {image} cannot be pulled: {words}")
    if reason in _CANNOT_BE_MADE:
        return Trouble(True, f"its container cannot be made: {words}")
    crashes = container.get("restartCount", 0)
    now, last = state.get("terminated"), (container.get("lastState") or {}).get("terminated")
    ended = now or last
    if reason == "CrashLoopBackOff" or crashes >= KEEPS_CRASHING:
        crashed = Crashed(pod, container["name"], previous=not now)
        told = f"it keeps crashing, {crashes} times so far" if crashes else "it keeps crashing"
        return Trouble(True, f"{told}: {_end(ended or {})}", crashed)
    if ended:
        return Trouble(False, f"it has ended, and is started again: {_end(ended)}")
    if "running" in state:
        return Trouble(False, "it runs, and does not pass its health check yet")
    return None


def _end(terminated: Json) -> str:
    code, reason = terminated.get("exitCode"), terminated.get("reason", "")
    if reason == "OOMKilled":
        return f"OOMKilled: it used more memory than it may have (exit code {code})"
    if code is None:
        return "nothing says how it ended"
    signal = f", signal {code - _KILLED}" if code > _KILLED else ""
    message = f": {terminated['message']}" if terminated.get("message") else ""
    return f"exit code {code}{signal}{message}"


def _containers(pod: Json) -> list[Json]:
    status = pod.get("status") or {}
    names = ("initContainerStatuses", "containerStatuses")
    return [each for name in names for each in status.get(name) or ()]
