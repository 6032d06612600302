"""There is one instance: this one."""

from typing import Self

from environs import Env

from backends.members.base import Members


class SingleMember(Members):
    """For development, for tests, and wherever one instance is all there is."""

    @classmethod
    def from_env(cls, env: Env) -> Self:
        """Return it. It has no settings."""
        return cls()

    def live(self) -> frozenset[str]:
        """See `Members.live`."""
        return frozenset({self.own})

    async def close(self) -> None:
        """Return: nobody needs to know."""
