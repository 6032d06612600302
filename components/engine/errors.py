"""The engine's errors.

    EngineError
    ├── NoConfiguration        the tool has no configuration
    ├── ConfigurationChanged   the stored configuration does not satisfy the request's condition
    ├── NoSuchTool             the platform has no such tool
    ├── NoDeployment           the tool has no deployment with this id
    │   └── NoDeploymentYet    the tool has no deployments, so there is no latest one
    ├── NoComponent            the deployment has no component of this name
    ├── UnknownComponents      the configuration has no components of these names
    ├── NoLog                  the build was not started, so it has no log
    ├── AlreadyFinal           the deployment has ended and cannot be cancelled
    ├── NotFinal               the deployment has not ended and cannot be deleted
    ├── NothingToRetry         the deployment has finished
    ├── NotDeployable          the deployment did not finish; a rollback to it is not possible
    ├── ImagesGone             images of the deployment no longer exist
    ├── Busy                   the limit of running deployments is reached, with `reject`
    ├── QueueFull              the limit of waiting deployments is reached
    ├── KeyReused              the idempotency key belongs to another request
    ├── TooManyUnfinished      too many deployments have not ended, or may still run
    ├── RolloutUnderWay        the run phase of a deployment is in progress
    ├── NotRunning             no such component runs
    ├── NotPermitted           the caller may not deploy or cancel these components
    ├── NoDigest               a later build may have overwritten images of the deployment
    ├── MadeByNewer            a newer version of the service wrote the document and manages it
    └── TooManyConflicts       others kept changing the same document; try again

The errors of `components.configuration`, of the stores, of the sources and of the builders' logs
pass through unchanged.
"""

from collections.abc import Collection, Sequence

from components.configuration.problems import listed, named, nearest

_SUGGESTIONS = 3
"""For how many unknown names the message suggests a similar known one."""


class EngineError(Exception):
    """The base class of the engine's errors; the message is for users."""


def _hint(name: str, known: Collection[str]) -> str:
    near = nearest(name, known)
    return f"did you mean {near!r}?" if near else f"it has {listed(known)}"


class NoConfiguration(EngineError):
    """The tool has no configuration, or does not exist."""

    def __init__(self, tool: str) -> None:
        super().__init__(
            f"tool {tool!r} has no configuration, or does not exist: store a configuration first"
        )


class NoSuchTool(EngineError):
    """The store does not know this tool."""

    def __init__(self, tool: str) -> None:
        super().__init__(f"there is no tool {tool!r} here")


class NoDeployment(EngineError):
    """The tool has no such deployment."""

    def __init__(self, tool: str, deploy_id: str) -> None:
        super().__init__(
            f"tool {tool!r} has no deployment {named(deploy_id)}: it never existed, or was pruned"
        )


class NoDeploymentYet(NoDeployment):
    """The tool has no deployments, so there is no latest one."""

    def __init__(self, tool: str) -> None:
        EngineError.__init__(
            self,
            f"tool {tool!r} has no deployments yet: store a configuration, if it has none, and "
            "deploy it",
        )


class NoComponent(EngineError):
    """The deployment has no such component."""

    def __init__(self, deploy_id: str, component: str, known: Collection[str]) -> None:
        hint = _hint(component, known)
        super().__init__(f"deployment {deploy_id!r} has no component {named(component)}: {hint}")


class ConfigurationChanged(EngineError):
    """The stored configuration does not satisfy the condition of the write; `etag` is its own."""

    def __init__(self, etag: str | None) -> None:
        now = f'its ETag is now "{etag}"' if etag else "there is none now"
        super().__init__(
            f"the configuration does not satisfy the condition of this request: {now}. Get it "
            "again, and check what has changed"
        )
        self.etag = etag


class UnknownComponents(EngineError):
    """The configuration has no such components."""

    def __init__(self, components: Sequence[str], known: Collection[str]) -> None:
        parts = [
            f"components: the configuration has no component {named(each)}: {_hint(each, known)}"
            for each in components[:_SUGGESTIONS]
        ]
        if others := components[_SUGGESTIONS:]:
            parts.append(f"nor has it {listed([named(each) for each in others])}")
        super().__init__("; ".join(parts))


class NoLog(EngineError):
    """No builder has accepted the build, so it has no log."""

    def __init__(self, component: str, message: str) -> None:
        why = f": {message}" if message else ""
        super().__init__(f"the build of {component!r} has no log: it was not started{why}")


class AlreadyFinal(EngineError):
    """The deployment has ended."""

    def __init__(self, deploy_id: str, status: str) -> None:
        super().__init__(f"deployment {deploy_id!r} has ended: its status is {status}")
        self.deploy_id = deploy_id


class NotFinal(EngineError):
    """The deployment has not ended, or may still run."""

    def __init__(self, deploy_id: str, status: str, *, may_run: bool = False) -> None:
        rest = (
            f"is {status}, but may still run: wait until the builder confirms its end"
            if may_run
            else f"has not ended: its status is {status}. Cancel it first, or wait"
        )
        super().__init__(f"deployment {deploy_id!r} {rest}")


class NothingToRetry(EngineError):
    """The deployment finished."""

    def __init__(self, deploy_id: str) -> None:
        super().__init__(
            f"deployment {deploy_id!r} has finished, so there is nothing to retry: use a rollback "
            "to deploy its builds again"
        )


class NotDeployable(EngineError):
    """The deployment ended, but not as FINISHED."""

    def __init__(self, deploy_id: str, status: str) -> None:
        super().__init__(
            f"deployment {deploy_id!r} is {status}: you can roll back only to a FINISHED one"
        )


class ImagesGone(EngineError):
    """The builder reports that images of the deployment no longer exist."""

    def __init__(self, deploy_id: str, components: Collection[str]) -> None:
        super().__init__(
            f"the images of deployment {deploy_id!r} no longer exist: {listed(components)}. Deploy "
            "its configuration again"
        )


class Busy(EngineError):
    """The limit of running deployments is reached, and the request rejects a wait.

    `running` is one of them.
    """

    def __init__(self, running: str) -> None:
        super().__init__(
            f"deployment {running!r} is running: wait for its end, cancel it, or deploy with "
            "when-busy queue or supersede"
        )
        self.running = running


class QueueFull(EngineError):
    """The limit of waiting deployments is reached."""

    def __init__(self, waiting: int) -> None:
        super().__init__(
            f"the queue is full, {waiting} deployments wait: wait for one to start, cancel one, or "
            "deploy with when-busy supersede, which cancels them all"
        )
        self.waiting = waiting


class KeyReused(EngineError):
    """The idempotency key was used for another request."""

    def __init__(self, deploy_id: str) -> None:
        super().__init__(
            f"this Idempotency-Key was used for another request, which created {deploy_id!r}: use "
            "a new key for each request"
        )


class TooManyUnfinished(EngineError):
    """The limit of deployments that have not ended, or may still run, is reached."""

    def __init__(self, unfinished: int) -> None:
        super().__init__(
            f"{unfinished} deployments have not ended, or may still run because the builder has "
            "not confirmed their end: wait until it does"
        )


class NoDigest(EngineError):
    """Images of the deployment have a name but no digest; a later build may overwrite it."""

    def __init__(self, deploy_id: str, components: Collection[str]) -> None:
        super().__init__(
            f"the builds of deployment {deploy_id!r} cannot be deployed again: the builder reports "
            f"no digest for the images of {listed(components)}, so a later build may have "
            "overwritten them. Deploy its commits again"
        )


class RolloutUnderWay(EngineError):
    """What runs is being changed by a deployment."""

    def __init__(self, deploy_id: str) -> None:
        super().__init__(
            f"deployment {deploy_id!r} is changing what runs: wait for its end, or cancel it"
        )


class NotRunning(EngineError):
    """No such component runs."""

    def __init__(self, tool: str, component: str, running: Collection[str]) -> None:
        hint = _hint(component, running) if running else "nothing of it runs"
        super().__init__(f"tool {tool!r} runs no component {named(component)}: {hint}")


class NotPermitted(EngineError):
    """The caller may deploy only some components, and this is about others too."""


class MadeByNewer(EngineError):
    """A newer version of the service wrote the document; an older one must not change it."""

    def __init__(self, what: str) -> None:
        super().__init__(
            f"{what!r} was written by a newer version of the service; this version cannot change "
            "it. Try again: another instance may respond"
        )


class TooManyConflicts(EngineError):
    """Another writer changed the same document at every attempt."""

    def __init__(self, what: str) -> None:
        super().__init__(f"{what} is being changed by other requests: try again")
