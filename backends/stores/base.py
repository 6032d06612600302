"""The interface of a store, its data types and its errors.

StoreError
├── DocumentError          one document, named by tool, kind and name
│   ├── NotFound           it is not there (on create: there is no such tool)
│   ├── AlreadyExists      it is there already
│   ├── Conflict           it has changed since it was read
│   ├── Sealed             it never changes again
│   └── Corrupt            it is there and is not what this store wrote
├── Rejected               too large, forbidden by a policy; in the store's words
│   └── OverQuota          there is no room for one more: it may be kept once others are removed
└── Unavailable            the store does not answer; worth another try later
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

JsonObject = dict[str, Any]


class DocumentState(StrEnum):
    """How a document may change, and whether `list_open` finds it."""

    PLAIN = "plain"
    OPEN = "open"
    SEALED = "sealed"


@dataclass(frozen=True, slots=True)
class Document:
    """One stored document; `data` is the reader's own copy.

    `version` is opaque. It changes whenever the data do, and a write must name the one it read.
    """

    tool: str
    kind: str
    name: str
    data: JsonObject
    version: str
    state: DocumentState


class StoreError(Exception):
    """The root of all that a store raises."""


class DocumentError(StoreError):
    """Something about one document: `tool`, `kind` and `name` say which."""

    what = "is in error"

    def __init__(self, tool: str, kind: str, name: str, reason: str = "") -> None:
        super().__init__(f"{kind} {name!r} of tool {tool!r} {reason or self.what}")
        self.tool, self.kind, self.name = tool, kind, name


class NotFound(DocumentError):
    """There is no such document; from `create`: there is no such tool."""

    what = "does not exist"


class AlreadyExists(DocumentError):
    """A document of this kind and name is there already."""

    what = "exists already"


class Conflict(DocumentError):
    """The document has changed since the version that the write names."""

    what = "has changed since it was read"


class Sealed(DocumentError):
    """The document is sealed: it can be read and deleted, and never changes again."""

    what = "is sealed and cannot change"


class Corrupt(DocumentError):
    """The document cannot be understood: somebody else made or changed it."""

    what = "cannot be understood"


class Rejected(StoreError):
    """The store will not keep this document; the message is the store's own."""


class OverQuota(Rejected):
    """The store has no room for another document of this tool, and would have without some."""


class Unavailable(StoreError):
    """The store cannot be reached or does not answer; the same call may go through later."""


@dataclass(frozen=True, slots=True)
class Listing:
    """What a list found. A corrupt document is named beside the others and does not hide them."""

    documents: tuple[Document, ...]
    corrupt: tuple[Corrupt, ...] = ()


class Store(ABC):
    """Documents that belong to a tool, each with a kind and a name unique for tool and kind.

    Every method may raise `Unavailable`. A call that raises it, or that never returns, may have
    been carried out: callers must be able to repeat what they do.
    """

    async def open(self) -> None:  # noqa: B027 - a store that needs nothing does nothing
        """Get ready; called once, before anything else. Raises `EnvError` for a bad setting."""

    @abstractmethod
    async def get(self, tool: str, kind: str, name: str) -> Document:
        """Return the document. Raises `NotFound`, `Corrupt`."""

    @abstractmethod
    async def list(self, tool: str, *kinds: str) -> Listing:
        """Return all documents of these kinds of a tool, in no particular order; none is no error.

        They are as they were at one moment.
        """

    @abstractmethod
    async def list_open(self, kind: str) -> Listing:
        """Return the open documents of one kind of all tools, in no particular order.

        It may take some 25 s, where there are many.
        """

    @abstractmethod
    async def create(
        self,
        tool: str,
        kind: str,
        name: str,
        data: JsonObject,
        state: DocumentState = DocumentState.PLAIN,
    ) -> Document:
        """Store a new document. Raises `AlreadyExists`, `NotFound` (no such tool), `Rejected`."""

    @abstractmethod
    async def replace(self, read: Document, data: JsonObject, state: DocumentState) -> Document:
        """Put `data` and `state` in the place of `read`, if its version is still the stored one.

        Raises `Conflict` (another version is stored), `Sealed`, `NotFound`, `Rejected`.
        """

    @abstractmethod
    async def delete(self, tool: str, kind: str, name: str, version: str | None = None) -> None:
        """Remove a document, in whatever state; if `version` is given, that version only.

        Raises `NotFound`, `Conflict`.
        """

    @abstractmethod
    async def now(self) -> datetime:
        """Return the time of the clock that all instances on this store share, in UTC.

        Raises `Unavailable` while it cannot be told, as that clock says one thing and another.
        """

    def steady_for(self) -> timedelta:
        """Return for how long `now` has gone on evenly; `timedelta.max` if it has never jumped.

        What was noted before a jump can seem older by all of it, so nothing is to be ended for an
        age that is greater than the limit, unless the clock has been steady for as long as that
        limit. Asks nobody.
        """
        return timedelta.max

    @abstractmethod
    async def ping(self) -> None:
        """Return if the store answers. Raises `Unavailable`."""

    @abstractmethod
    async def close(self) -> None:
        """Let go of connections; the store is not used afterwards."""
