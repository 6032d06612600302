"""What the engine can refuse.

    EngineError
    ├── NoConfiguration        the tool has none
    ├── ConfigurationChanged   it is not the one that the request is meant for
    ├── NoSuchTool             there is no such tool on this platform
    ├── NoDeployment           the tool has none of this id
    │   └── NoDeploymentYet    the tool has none at all, so that none is the latest
    ├── NoComponent            the deployment has none of this name
    ├── UnknownComponents      the configuration has none of these names
    ├── NoLog                  the build was not started, so there is none
    ├── AlreadyFinal           the deployment has ended, and cannot be cancelled
    ├── NotFinal               the deployment has not ended, and cannot be deleted
    ├── NothingToRetry         the deployment has finished
    ├── NotDeployable          the deployment did not finish, and cannot be rolled back to
    ├── ImagesGone             what the deployment has built is not there any more
    ├── Busy                   as many deployments run as may, and nobody wants to wait
    ├── QueueFull              as many wait as may
    ├── KeyReused              the key of a repeatable request was used for another request
    ├── TooManyUnfinished      too many have not ended, or may still run
    ├── RolloutUnderWay        the run phase of a deployment is under way
    ├── NotRunning             no such component runs
    ├── NoDigest               what the deployment has built may not be what its image is by now
    ├── MadeByNewer            a newer version of the service has made it, and looks after it
    └── Contended              others kept changing the same document; worth another try

The errors of `components.configuration`, of the stores and of the builders' logs pass through as
they are.
"""

from collections.abc import Collection, Sequence

from components.configuration.problems import listed, named, nearest

_SUGGESTIONS = 3
"""For how many of several unknown names the nearest known one is looked for."""


class EngineError(Exception):
    """The root of the engine's own errors; the message is for people."""


def _hint(name: str, known: Collection[str]) -> str:
    near = nearest(name, known)
    return f"did you mean {near!r}?" if near else f"it has {listed(known)}"


class NoConfiguration(EngineError):
    """The tool has no configuration, or there is no such tool."""

    def __init__(self, tool: str) -> None:
        super().__init__(
            f"tool {tool!r} has no configuration, or there is no such tool: "
            "store a configuration first"
        )


class NoSuchTool(EngineError):
    """The store has no place for this tool."""

    def __init__(self, tool: str) -> None:
        super().__init__(f"there is no tool {tool!r} here")


class NoDeployment(EngineError):
    """The tool has no such deployment."""

    def __init__(self, tool: str, deploy_id: str) -> None:
        super().__init__(
            f"tool {tool!r} has no deployment {named(deploy_id)}: it never had, or it was removed "
            "in favour of newer ones"
        )


class NoDeploymentYet(NoDeployment):
    """The tool has no deployment, so there is no latest one."""

    def __init__(self, tool: str) -> None:
        EngineError.__init__(
            self,
            f"tool {tool!r} has no deployments yet, so none is the latest: store a configuration "
            "if it has none, and deploy it",
        )


class NoComponent(EngineError):
    """The deployment has no such component."""

    def __init__(self, deploy_id: str, component: str, known: Collection[str]) -> None:
        hint = _hint(component, known)
        super().__init__(f"deployment {deploy_id!r} has no component {named(component)}: {hint}")


class ConfigurationChanged(EngineError):
    """The stored configuration is not one that the write is meant for; `etag` is its own."""

    def __init__(self, etag: str | None) -> None:
        now = f'it is now "{etag}"' if etag else "there is none now"
        super().__init__(
            f"the configuration is not the one that this was meant for: {now}. Read it, and see "
            "what has changed"
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
    """No builder has accepted the build, so nothing has been written."""

    def __init__(self, component: str, message: str) -> None:
        why = f": {message}" if message else ""
        super().__init__(f"the build of {component!r} has no log, since it was not started{why}")


class AlreadyFinal(EngineError):
    """The deployment has ended."""

    def __init__(self, deploy_id: str, status: str) -> None:
        super().__init__(f"deployment {deploy_id!r} has ended: it is {status} and stays so")


class NotFinal(EngineError):
    """The deployment has not ended, or may still run."""

    def __init__(self, deploy_id: str, status: str, *, may_run: bool = False) -> None:
        rest = (
            f"is {status}, but may still run: wait until the builder has confirmed its end"
            if may_run
            else f"has not ended: it is {status}. Cancel it first, or wait"
        )
        super().__init__(f"deployment {deploy_id!r} {rest}")


class NothingToRetry(EngineError):
    """The deployment finished."""

    def __init__(self, deploy_id: str) -> None:
        super().__init__(
            f"deployment {deploy_id!r} has finished, so there is nothing to retry: a rollback "
            "deploys what it has built again"
        )


class NotDeployable(EngineError):
    """The deployment has ended without finishing."""

    def __init__(self, deploy_id: str, status: str) -> None:
        super().__init__(
            f"deployment {deploy_id!r} is {status}: only to one that is FINISHED can be rolled back"
        )


class ImagesGone(EngineError):
    """The builder knows that images of the deployment are not there any more."""

    def __init__(self, deploy_id: str, components: Collection[str]) -> None:
        super().__init__(
            f"the images of deployment {deploy_id!r} are gone: {listed(components)}. Deploy its "
            "configuration anew"
        )


class Busy(EngineError):
    """As many deployments run as may, and the caller does not want to wait."""

    def __init__(self, running: str) -> None:
        super().__init__(
            f"deployment {running!r} is under way: wait for its end, cancel it, or deploy with "
            "when-busy queue or supersede"
        )


class QueueFull(EngineError):
    """As many deployments wait as may."""

    def __init__(self, waiting: int) -> None:
        super().__init__(
            f"the queue is full, {waiting} deployments wait: wait for one to start, cancel one, or "
            "deploy with when-busy supersede, which cancels them all"
        )


class KeyReused(EngineError):
    """A key that stands for one request came with another."""

    def __init__(self, deploy_id: str) -> None:
        super().__init__(
            f"this Idempotency-Key was used for another request, which made {deploy_id!r}: give "
            "every request a key of its own"
        )


class TooManyUnfinished(EngineError):
    """As many deployments are under way, or may still run, as can be looked after."""

    def __init__(self, unfinished: int) -> None:
        super().__init__(
            f"{unfinished} deployments have not ended, or may still run since the builder has not "
            "confirmed their end: wait until it has"
        )


class NoDigest(EngineError):
    """Images of the deployment are known by a name alone, which a later build takes over."""

    def __init__(self, deploy_id: str, components: Collection[str]) -> None:
        super().__init__(
            f"what deployment {deploy_id!r} has built cannot be deployed again: the builder tells "
            f"no digest of the images of {listed(components)}, so a later build may have taken "
            "their names. Deploy its commits anew"
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


class MadeByNewer(EngineError):
    """A newer version of the service has written the document; an older one leaves it alone."""

    def __init__(self, what: str) -> None:
        super().__init__(
            f"{what!r} was written by a newer version of the service, which alone can change it: "
            "try again, another instance may answer"
        )


class TooManyConflicts(EngineError):
    """Somebody else changed the same document at every attempt."""

    def __init__(self, what: str) -> None:
        super().__init__(f"{what} is being changed by others at this moment: try again")
