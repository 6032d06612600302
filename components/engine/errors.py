"""What the engine can refuse, and the one case where a deployment vanishes under its maker.

    EngineError
    ├── NoConfiguration        the tool has none
    ├── NoSuchTool             there is no such tool on this platform
    ├── NoDeployment           the tool has none of this id, or none at all
    ├── NoComponent            the deployment has none of this name
    ├── NoLog                  the build was not started, so there is none
    ├── AlreadyFinal           the deployment has ended, and cannot be cancelled
    ├── NotFinal               the deployment has not ended, and cannot be deleted
    ├── DeploymentSuperseded   removed, in favour of newer ones, while it was being launched
    └── Contended              others kept changing the same document; worth another try

The errors of `components.configuration`, of the stores and of the builders' logs pass through as
they are.
"""

from collections.abc import Iterable

from components.configuration.problems import nearest


class EngineError(Exception):
    """The root of the engine's own errors; the message is for people."""


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
            f"tool {tool!r} has no deployment {deploy_id!r}: it never had, or it was removed "
            "in favour of newer ones"
        )


class NoComponent(EngineError):
    """The deployment has no such component."""

    def __init__(self, deploy_id: str, component: str, known: Iterable[str]) -> None:
        names = tuple(known)
        near = nearest(component, names)
        hint = f"did you mean {near!r}?" if near else f"it has {', '.join(names)}"
        super().__init__(f"deployment {deploy_id!r} has no component {component!r}: {hint}")


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
    """The deployment has not ended."""

    def __init__(self, deploy_id: str, status: str) -> None:
        super().__init__(
            f"deployment {deploy_id!r} has not ended: it is {status}. Cancel it first, or wait"
        )


class DeploymentSuperseded(EngineError):
    """A deployment was removed before the outcome of its launch could be stored."""

    def __init__(self, deploy_id: str, kept: int) -> None:
        super().__init__(
            f"deployment {deploy_id!r} was removed while it was being launched, since {kept} newer "
            "ones are kept; the builder was asked to cancel what it had started"
        )


class Contended(EngineError):
    """Somebody else changed the same document at every attempt."""

    def __init__(self, what: str) -> None:
        super().__init__(f"{what} is being changed by others at this moment: try again")
