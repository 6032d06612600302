"""The interface of members: which instances of the service are live."""

import os
import re
import secrets
import socket
from abc import ABC, abstractmethod


def new_name() -> str:
    """Return a unique name for this process: a DNS label."""
    host = re.sub(r"[^a-z0-9]+", "-", socket.gethostname().lower()).strip("-")[:40]
    return f"{host or 'instance'}-{os.getpid()}-{secrets.token_hex(4)}".lstrip("-")


class Members(ABC):
    """The live instances, as far as this one knows.

    For a while, two instances may both consider a key as theirs, or as the other's. Rely only on
    this being temporary.
    """

    def __init__(self, own: str | None = None) -> None:
        self.own = own or new_name()

    async def open(self) -> None:  # noqa: B027 - nothing to do by default
        """Join; called once, before anything else. Raises `EnvError` for a bad setting."""

    @abstractmethod
    def live(self) -> frozenset[str]:
        """Return the names of the live instances, including this one. Makes no call."""

    @abstractmethod
    async def close(self) -> None:
        """Leave, so that others take over at once; not used afterwards."""
