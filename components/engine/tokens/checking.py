"""Checking a token that was sent, and noting that it was used.

Every check reads the store, so that a token is refused by all instances once it is revoked.
"""

import logging
from datetime import datetime, timedelta
from hmac import compare_digest

from backends.stores.base import (
    AlreadyExists,
    Conflict,
    Document,
    DocumentState,
    NotFound,
    StoreError,
)
from components.engine.context import Engine
from components.engine.tokens.documents import (
    LAST_USE,
    TOKEN,
    Token,
    last_use_data,
    last_use_of,
    token_of,
)
from components.engine.tokens.errors import BadToken
from components.engine.tokens.text import digest_of

logger = logging.getLogger(__name__)

USE_STORED_EVERY = timedelta(days=1)
"""How often a token's last use is stored at most."""

USE_TRIED_EVERY = timedelta(minutes=10)
"""How often an instance tries to: many requests may come at once, and the store may be full."""


async def check_token(engine: Engine, tool: str, text: str) -> Token:
    """Return the token with this text; note its use. One call.

    Raises `BadToken`, `MadeByNewer`, `Corrupt` and what the store raises.
    """
    digest = digest_of(text)
    found = await engine.store.list(tool, TOKEN, LAST_USE)
    same = None
    for each in found.documents:
        stored = str(each.data.get("digest")).encode("utf-8", "surrogatepass")
        if each.kind == TOKEN and compare_digest(stored, digest.encode()):
            same = each
    if same is None:
        raise BadToken(f"tool {tool!r} has no such token: it was revoked, or never made")
    token, now = token_of(same), await engine.store.now()
    if now >= token.expires:
        raise BadToken(
            f"the token {token.name!r} has expired, on {token.expires:%Y-%m-%d}: make another one"
        )
    used = [each for each in found.documents if (each.kind, each.name) == (LAST_USE, token.name)]
    await _note_use(engine, tool, token, used[0] if used else None, now)
    return token


async def _note_use(
    engine: Engine, tool: str, token: Token, read: Document | None, now: datetime
) -> None:
    """Store the use of a token, unless that was done within a day. The request does not wait."""
    used = last_use_of(read, token)
    if used is not None and now < used + USE_STORED_EVERY:
        return
    tried = engine.token_uses.get(token.digest)
    if tried is not None and now < tried + USE_TRIED_EVERY:
        return
    engine.token_uses.put(token.digest, now, 1)
    await engine.tasks.run(_store_use(engine, tool, token, read, now), 0)


async def _store_use(
    engine: Engine, tool: str, token: Token, read: Document | None, now: datetime
) -> None:
    data = last_use_data(token, now)
    try:
        if read is None:
            await engine.store.create(tool, LAST_USE, token.name, data)
        else:
            await engine.store.replace(read, data, DocumentState.PLAIN)
    except (AlreadyExists, Conflict, NotFound):
        pass  # another instance has stored it, or the token was revoked
    except StoreError as error:
        logger.warning("the last use of token %r of %r was not stored: %s", token.name, tool, error)
