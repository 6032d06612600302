"""The interface of a store, its data types and its errors.

StoreError
├── DocumentError          about one document, given by tool, kind and name
│   ├── NotFound           it does not exist (on create: the tool does not exist)
│   ├── AlreadyExists      it already exists
│   ├── Conflict           it has changed since it was read
│   ├── Sealed             it can no longer change
│   └── Corrupt            it exists, but this service did not write it as it is
├── Rejected               too large, or forbidden by a policy; the store's message
│   └── OverQuota          over a quota: it can be stored once other documents are deleted
└── Unavailable            the store does not respond; retry later
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

JsonObject = dict[str, Any]


class DocumentState(StrEnum):
    """Whether a document can change, and whether `list_open` returns it."""

    PLAIN = "plain"
    OPEN = "open"
    SEALED = "sealed"


@dataclass(frozen=True, slots=True)
class Document:
    """One stored document; `data` is a copy of the caller's own.

    `version` is opaque. It changes whenever the data change; a write must name the version it read.
    """

    tool: str
    kind: str
    name: str
    data: JsonObject
    version: str
    state: DocumentState


class StoreError(Exception):
    """The base of all errors of a store."""


class DocumentError(StoreError):
    """An error about one document: `tool`, `kind` and `name` identify it."""

    what = "is in error"

    def __init__(self, tool: str, kind: str, name: str, reason: str = "") -> None:
        super().__init__(f"{kind} {name!r} of tool {tool!r} {reason or self.what}")
        self.tool, self.kind, self.name = tool, kind, name


class NotFound(DocumentError):
    """The document does not exist; from `create`: the tool does not exist."""

    what = "does not exist"


class AlreadyExists(DocumentError):
    """A document of this kind and name already exists."""

    what = "already exists"


class Conflict(DocumentError):
    """The document has changed since the version named by the write."""

    what = "has changed since it was read"


class Sealed(DocumentError):
    """The document is sealed: it can be read and deleted, but not changed."""

    what = "is sealed and cannot be changed"


class Corrupt(DocumentError):
    """The document cannot be parsed: something other than this service created or changed it."""

    what = "cannot be parsed"


class Rejected(StoreError):
    """The store rejects this document; the message is the store's."""


class OverQuota(Rejected):
    """The document would exceed the tool's quota; deleting others makes room for it."""


class Unavailable(StoreError):
    """The store cannot be reached or does not respond; retry the call later."""


@dataclass(frozen=True, slots=True)
class Listing:
    """The result of a list. Corrupt documents are listed separately and do not hide the others."""

    documents: tuple[Document, ...]
    corrupt: tuple[Corrupt, ...] = ()


class Store(ABC):
    """Documents of tools, each with a kind and a name unique for tool and kind.

    Every method may raise `Unavailable`. A call that raises it, or never returns, may still have
    been executed: callers must be able to repeat it.
    """

    async def open(self) -> None:  # noqa: B027 - nothing to do by default
        """Open the store; called once, at the start. Raises `EnvError` for a bad setting."""

    @abstractmethod
    async def get(self, tool: str, kind: str, name: str) -> Document:
        """Return the document. Raises `NotFound`, `Corrupt`."""

    @abstractmethod
    async def list(self, tool: str, *kinds: str) -> Listing:
        """Return all documents of these kinds of a tool, in no particular order; possibly none.

        The result is a consistent snapshot.
        """

    @abstractmethod
    async def list_open(self, kind: str) -> Listing:
        """Return the open documents of one kind of all tools, in no particular order.

        It may take about 25 s if there are many.
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
        """Replace `read` by `data` and `state`, if its version is still the stored one.

        Raises `Conflict` (another version is stored), `Sealed`, `NotFound`, `Rejected`.
        """

    @abstractmethod
    async def delete(self, tool: str, kind: str, name: str, version: str | None = None) -> None:
        """Delete a document in any state; with `version`, only that version.

        Raises `NotFound`, `Conflict`.
        """

    @abstractmethod
    async def now(self) -> datetime:
        """Return the time, in UTC, of the clock that all instances on this store share.

        Raises `Unavailable` while the time is uncertain, since that clock gives contradictory
        times.
        """

    def steady_for(self) -> timedelta:
        """Return the time since the last jump of `now`; `timedelta.max` if there was none. No call.

        A time stored before a jump may appear older by the whole jump. So expire something by its
        age only if the clock has been steady for as long as the limit.
        """
        return timedelta.max

    @abstractmethod
    async def ping(self) -> None:
        """Return if the store responds. Raises `Unavailable`."""

    @abstractmethod
    async def close(self) -> None:
        """Close connections; the store is not used afterwards."""
