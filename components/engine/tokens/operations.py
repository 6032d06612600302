"""Operations on a tool's tokens: make one, list them, revoke one."""

from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from backends.stores.base import (
    AlreadyExists,
    Corrupt,
    Document,
    DocumentState,
    NotFound,
    StoreError,
)
from components.engine.context import Answer, Engine
from components.engine.errors import MadeByNewer, NoSuchTool
from components.engine.tokens.documents import (
    DEFAULT_DAYS,
    LAST_USE,
    TOKEN,
    Scope,
    Token,
    last_use_of,
    token_data,
    token_of,
)
from components.engine.tokens.errors import NoToken, TokenExists, TooManyTokens
from components.engine.tokens.text import digest_of, new_text

MAX_TOKENS = 20
"""How many tokens a tool may have, expired ones included."""


@dataclass(frozen=True, slots=True)
class NewToken:
    """A token that was just made. `text` is the secret, which nothing can show again."""

    token: Token
    text: str

    def __repr__(self) -> str:
        """Leave the secret out."""
        return f"NewToken({self.token!r})"


@dataclass(frozen=True, slots=True)
class ListedToken:
    """A token, and when it was last used, to the day."""

    token: Token
    used: datetime | None


async def create_token(
    engine: Engine,
    tool: str,
    name: str,
    scopes: Collection[Scope],
    components: Sequence[str] | None = None,
    days: int = DEFAULT_DAYS,
) -> NewToken:
    """Make a token that expires after some days, and return it with its text.

    Raises `TokenExists`, `TooManyTokens`, `NoSuchTool` and what the store raises.
    """
    if await _count(engine, tool) >= MAX_TOKENS:
        raise TooManyTokens(tool, MAX_TOKENS)
    text, now = new_text(), await engine.store.now()
    limited = None if components is None else tuple(sorted(set(components)))
    token = Token(
        name, digest_of(text), tuple(sorted(set(scopes))), limited, now, now + timedelta(days=days)
    )
    try:
        await engine.store.create(tool, TOKEN, name, token_data(token), DocumentState.SEALED)
    except AlreadyExists:
        raise TokenExists(tool, name) from None
    except NotFound:
        raise NoSuchTool(tool) from None
    if await _count(engine, tool) > MAX_TOKENS:
        # Others were made at the same time.
        with suppress(NotFound):
            await engine.store.delete(tool, TOKEN, name)
        raise TooManyTokens(tool, MAX_TOKENS)
    return NewToken(token, text)


async def _count(engine: Engine, tool: str) -> int:
    found = await engine.store.list(tool, TOKEN)
    return len(found.documents) + len(found.corrupt)


async def list_tokens(engine: Engine, tool: str) -> Answer[tuple[ListedToken, ...]]:
    """Return a tool's tokens, by name; a warning for each that cannot be read."""
    found = await engine.store.list(tool, TOKEN, LAST_USE)
    uses = {each.name: each for each in found.documents if each.kind == LAST_USE}
    tokens, warnings = [], [str(each) for each in found.corrupt]
    for each in sorted(found.documents, key=lambda document: document.name):
        if each.kind == TOKEN:
            try:
                tokens.append(_listed(each, uses.get(each.name)))
            except (Corrupt, MadeByNewer) as error:
                warnings.append(str(error))
    return Answer(tuple(tokens), tuple(warnings))


def _listed(document: Document, use: Document | None) -> ListedToken:
    token = token_of(document)
    return ListedToken(token, last_use_of(use, token))


async def revoke_token(engine: Engine, tool: str, name: str) -> None:
    """Revoke a token: every instance refuses it from now on. Raises `NoToken`, `Corrupt`."""
    try:
        # Nothing is deleted that this service has not made.
        await engine.store.get(tool, TOKEN, name)
        await engine.store.delete(tool, TOKEN, name)
    except NotFound:
        raise NoToken(tool, name) from None
    # What is left of it is of no use to anyone, and does no harm.
    with suppress(StoreError):
        await engine.store.delete(tool, LAST_USE, name)
