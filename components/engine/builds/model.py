"""A build, as a value."""

from dataclasses import dataclass

from components.engine.steps.model import Step


@dataclass(frozen=True, slots=True)
class Build(Step):
    """One component's build.

    `commit` is also what is to be built, where it is known before; `reused` is the id of the
    deployment for which it was built, where that is another, and the build's own id where it was
    built for none.
    """

    image: str | None = None
    digest: str | None = None
    commit: str | None = None
    reused: str | None = None

    @property
    def is_adopted(self) -> bool:
        """Whether others have started it: it is waited for, and never cancelled."""
        return self.id is not None and self.reused == self.id
