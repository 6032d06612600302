"""The deploy token of a tool for Toolforge's clients: one, a UUID, which they can show again.

So it is stored as it is, unlike all other tokens, in a document that only the tool can read.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hmac import compare_digest
from uuid import uuid4

from backends.stores.base import (
    AlreadyExists,
    Conflict,
    Corrupt,
    Document,
    DocumentState,
    JsonObject,
    NotFound,
)
from components.engine.context import Engine
from components.engine.deployments.storing import MAX_ATTEMPTS
from components.engine.errors import MadeByNewer, NoSuchTool, TooManyConflicts
from components.engine.tokens.errors import BadToken, DeployTokenExists, NoDeployToken

DEPLOY_TOKEN = "deploy-token"  # noqa: S105 - a kind of documents
"""The kind, and the name, of the document of a tool's one deploy token."""

FORM = 1
"""The form that this version writes."""

LIFETIME = timedelta(days=365)
"""After how long it expires."""


@dataclass(frozen=True, slots=True)
class DeployToken:
    """A deploy token: a UUID, which is secret, and when it was made, in UTC."""

    text: str = field(repr=False)
    created: datetime

    @property
    def expires(self) -> datetime:
        """When it is not valid any more."""
        return self.created + LIFETIME


async def show_deploy_token(engine: Engine, tool: str) -> DeployToken:
    """Return a tool's deploy token. Raises `NoDeployToken`, `Corrupt`, `MadeByNewer`."""
    return _token_of(await _read(engine, tool))


async def create_deploy_token(engine: Engine, tool: str) -> DeployToken:
    """Make a tool's deploy token. Raises `DeployTokenExists`, `NoSuchTool`, `Rejected`."""
    token = await _new(engine)
    try:
        await engine.store.create(tool, DEPLOY_TOKEN, DEPLOY_TOKEN, _data_of(token))
    except AlreadyExists:
        raise DeployTokenExists(tool) from None
    except NotFound:
        raise NoSuchTool(tool) from None
    return token


async def replace_deploy_token(engine: Engine, tool: str) -> DeployToken:
    """Make another one in place of the one that there is. Raises as `delete_deploy_token` does."""
    token = await _new(engine)

    async def replace(read: Document) -> None:
        await engine.store.replace(read, _data_of(token), DocumentState.PLAIN)

    await _change(engine, tool, replace)
    return token


async def delete_deploy_token(engine: Engine, tool: str) -> DeployToken:
    """Delete a tool's deploy token, and return it.

    Raises `NoDeployToken`, `Corrupt`, `MadeByNewer`, `TooManyConflicts`.
    """

    async def delete(read: Document) -> None:
        await engine.store.delete(tool, DEPLOY_TOKEN, DEPLOY_TOKEN, read.version)

    return _token_of(await _change(engine, tool, delete))


async def check_deploy_token(engine: Engine, tool: str, text: str) -> None:
    """Return if this is the tool's deploy token. Raises `BadToken`, `Corrupt`, `MadeByNewer`."""
    try:
        token = await show_deploy_token(engine, tool)
    except NoDeployToken:
        raise BadToken(f"tool {tool!r} has no deploy token: create one") from None
    if not compare_digest(token.text.encode(), text.encode("utf-8", "surrogatepass")):
        raise BadToken("the token in the query does not match the tool's token")
    if await engine.store.now() >= token.expires:
        raise BadToken(
            f"the deploy token of tool {tool!r} has expired, on {token.expires:%Y-%m-%d}: "
            "refresh it"
        )


async def _change(
    engine: Engine, tool: str, change: Callable[[Document], Awaitable[None]]
) -> Document:
    """Apply a conditional change to the stored token; return the document that was changed."""
    for _ in range(MAX_ATTEMPTS):
        read = await _read(engine, tool)
        _token_of(read)
        try:
            await change(read)
        except (Conflict, NotFound):
            continue  # it was replaced or deleted meanwhile
        return read
    raise TooManyConflicts(f"the deploy token of tool {tool!r}")


async def _read(engine: Engine, tool: str) -> Document:
    try:
        return await engine.store.get(tool, DEPLOY_TOKEN, DEPLOY_TOKEN)
    except NotFound:
        raise NoDeployToken(tool) from None


async def _new(engine: Engine) -> DeployToken:
    return DeployToken(str(uuid4()), await engine.store.now())


def _data_of(token: DeployToken) -> JsonObject:
    created = token.created.astimezone(UTC).isoformat()
    return {"form": FORM, "token": token.text, "created": created}


def _token_of(document: Document) -> DeployToken:
    data = document.data
    form = data.get("form")
    if isinstance(form, int) and form > FORM:
        raise MadeByNewer(document.name)
    try:
        created = datetime.fromisoformat(data["created"]).astimezone(UTC)
        return DeployToken(str(data["token"]), created)
    except (KeyError, TypeError, ValueError):
        reason = "is not a deploy token"
        raise Corrupt(document.tool, document.kind, document.name, reason) from None
