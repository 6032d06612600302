"""A single instance: this one."""

from typing import Self

from environs import Env

from backends.members.base import Members


class SingleMember(Members):
    """For development, tests, and any deployment of a single instance."""

    @classmethod
    def from_env(cls, env: Env) -> Self:
        """Return an instance; there are no settings."""
        return cls()

    def live(self) -> frozenset[str]:
        """See `Members.live`."""
        return frozenset({self.own})

    async def close(self) -> None:
        """Do nothing: there are no other instances."""
