"""How something that was started goes: a build, or a run."""

from enum import StrEnum


class Status(StrEnum):
    """The last three are final: what has one keeps it."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    FINISHED = "FINISHED"
    ERROR = "ERROR"
    CANCELLED = "CANCELLED"

    @property
    def is_final(self) -> bool:
        """Whether it has ended."""
        return self not in (Status.PENDING, Status.RUNNING)
