"""The interface of members: which instances of the service are live."""

import os
import re
import secrets
import socket
from abc import ABC, abstractmethod


def new_name() -> str:
    """Return a name for this process that no other has: a DNS label."""
    host = re.sub(r"[^a-z0-9]+", "-", socket.gethostname().lower()).strip("-")[:40]
    return f"{host or 'instance'}-{os.getpid()}-{secrets.token_hex(4)}".lstrip("-")


class Members(ABC):
    """The live instances, as far as this one can tell.

    Two instances may for a while both be certain that something is theirs, or that it is the
    other's. Nothing may depend on more than that this passes.
    """

    def __init__(self, own: str | None = None) -> None:
        self.own = own or new_name()

    async def open(self) -> None:  # noqa: B027 - one that needs nothing does nothing
        """Join; called once, before anything else. Raises `EnvError` for a bad setting."""

    @abstractmethod
    def live(self) -> frozenset[str]:
        """Return the names of the live instances, this one always among them. Asks nobody."""

    @abstractmethod
    async def close(self) -> None:
        """Leave, so that others take over at once; not used afterwards."""
