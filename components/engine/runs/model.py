"""A run, as a value: how one component's new version comes to run, or how it is removed."""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Self

from backends.runners.base import Origin, Wanted
from backends.status import Status
from components.engine.steps.model import Step


class RunAction(StrEnum):
    """What a deployment does with what runs of a component."""

    START = "start"
    CHANGE = "change"
    LEAVE = "leave"
    REMOVE = "remove"


@dataclass(frozen=True, slots=True)
class Before:
    """What ran of a component before a deployment changed it, and where that came from.

    `origin` is None where somebody else had made it.
    """

    wanted: Wanted
    origin: Origin | None


@dataclass(frozen=True, slots=True)
class Run(Step):
    """The run of one component.

    `action`, `image`, `revision` and `before` are decided when the run phase begins. `healthy` is
    whether all of the new version runs and nothing of the old one, or what is removed is gone: it
    can still be put back until that holds for all components. `was_put_back` is whether what ran
    before runs again.
    """

    action: RunAction | None = None
    image: str | None = None
    revision: str = ""
    before: Before | None = None
    healthy: bool = False
    ready: int = 0
    replicas: int = 0
    url: str | None = None
    was_put_back: bool = False

    def confirmed(self, end: Self) -> Self:
        """See `Step.confirmed`. What became of the component is news, too."""
        return replace(
            self,
            id=end.id,
            message=end.message,
            ended=end.ended,
            healthy=end.healthy,
            was_put_back=end.was_put_back,
        )

    @property
    def changes(self) -> bool:
        """Whether a new version of the component is brought to run."""
        return self.action in (RunAction.START, RunAction.CHANGE)

    @property
    def visible_status(self) -> Status:
        """The status for people: what is healthy has finished, unless it is being put back."""
        return Status.FINISHED if self.healthy and self.stop is None else self.status
