"""Tokens and their last use as stored documents, and back.

A token's document is sealed: nobody can extend a token. Its last use is a document of its own.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from backends.stores.base import Corrupt, Document, JsonObject
from components.engine.errors import MadeByNewer

# A Secret's name joins kind and name: no kind may begin another one.
TOKEN = "token"  # noqa: S105 - a kind of documents
"""The kind of a token; the document is named as the token is."""

LAST_USE = "last-use"
"""The kind of a token's last use; the document is named as the token is."""

FORM = 1
"""The form that this version writes, of both."""


DEFAULT_DAYS, MAX_DAYS = 90, 365
"""After how many days a token expires, and after how many at the latest."""


class Scope(StrEnum):
    """What a token is for."""

    DEPLOY = "deploy"
    READ = "read"


@dataclass(frozen=True, slots=True)
class Token:
    """A token without its text. `components`, if not None, are the only ones that it may deploy."""

    name: str
    digest: str
    scopes: tuple[Scope, ...]
    components: tuple[str, ...] | None
    created: datetime
    expires: datetime


def token_data(token: Token) -> JsonObject:
    """Return a token as a document's data."""
    return {
        "form": FORM,
        "digest": token.digest,
        "scopes": list(token.scopes),
        "components": None if token.components is None else list(token.components),
        "created": _text(token.created),
        "expires": _text(token.expires),
    }


def token_of(document: Document) -> Token:
    """Return the token in a document. Raises `MadeByNewer`, `Corrupt`."""
    data = document.data
    _check_form(document)
    try:
        components = data["components"]
        return Token(
            document.name,
            str(data["digest"]),
            tuple(map(Scope, data["scopes"])),
            None if components is None else tuple(map(str, components)),
            _time(data["created"]),
            _time(data["expires"]),
        )
    except (KeyError, TypeError, ValueError):
        reason = "is not a token"
        raise Corrupt(document.tool, document.kind, document.name, reason) from None


def last_use_data(token: Token, time: datetime) -> JsonObject:
    """Return a last use as a document's data."""
    # With the digest: an earlier token may have had the same name.
    return {"form": FORM, "digest": token.digest, "time": _text(time)}


def last_use_of(document: Document | None, token: Token) -> datetime | None:
    """Return when a token was last used, to the day; None if that is not known."""
    if document is None or document.data.get("digest") != token.digest:
        return None
    try:
        return _time(document.data["time"])
    except (KeyError, TypeError, ValueError):
        return None


def _check_form(document: Document) -> None:
    form = document.data.get("form")
    if isinstance(form, int) and form > FORM:
        raise MadeByNewer(document.name)


def _text(time: datetime) -> str:
    return time.astimezone(UTC).isoformat()


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)
