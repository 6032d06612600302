"""The interface of what fetches configurations, its data types and its errors."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

from backends.errors import BackendRejected, BackendUnavailable


@dataclass(frozen=True, slots=True)
class Fetched:
    """What a URL gave: its content, and its version as far as the host says one.

    `commit` is from the host, or from the URL itself; `etag` is the host's, with its quotes.
    """

    content: bytes
    commit: str | None = None
    etag: str | None = None


class SourceRejected(BackendRejected):
    """This URL will not give a configuration until somebody changes something."""


class SourceUnavailable(BackendUnavailable):
    """The URL gave nothing now; the same request may succeed later."""


class Fetcher(ABC):
    """Fetches what users name, and so trusts neither a URL nor a response."""

    async def open(self) -> None:  # noqa: B027 - nothing to do by default
        """Open the fetcher; called once, at the start."""

    @abstractmethod
    async def fetch(self, tool: str, url: str) -> Fetched:
        """Return what a URL gives now. `tool` is who wants it, for limits of each tool.

        It ends within seconds. Raises `SourceRejected` and `SourceUnavailable`, whose messages
        contain nothing confidential of the URL and nothing of the response.
        """

    @abstractmethod
    async def close(self) -> None:
        """Close it; called once, at the end."""


class NoFetcher(Fetcher):
    """Fetches nothing, and says so."""

    async def fetch(self, tool: str, url: str) -> Fetched:
        """Raise `SourceRejected`."""
        raise SourceRejected("this service fetches nothing")

    async def close(self) -> None:
        """Return: there is nothing to close."""
