"""Callers, and what they may do."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias


class Permission(Enum):
    """What a route does, as a phrase: `may not {permission.value}`."""

    PUBLIC = "call this"
    """Nothing that needs an identity."""

    SEE = "look at deployments"
    READ = "look at anything but deployments"
    CREATE = "create deployments"
    STEER = "retry, cancel or roll back to deployments"
    MANAGE = "change anything but deployments, delete deployments, or use tokens"
    """What only the tool itself may do."""


Needs: TypeAlias = Mapping[tuple[str, str], Permission]
"""What each route needs, by its method and its path."""

EVERYTHING = frozenset(Permission)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who sends a request: the tool that it acts as, and what it may do.

    `name` is for messages. `components`, if not None, are the only ones that it may deploy.
    """

    tool: str
    name: str = "the tool"
    permissions: frozenset[Permission] = EVERYTHING
    components: tuple[str, ...] | None = None

    @property
    def is_token(self) -> bool:
        """Whether it is a token, which can be revoked and expires; the tool itself may do all."""
        return self.permissions != EVERYTHING
