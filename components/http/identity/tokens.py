"""Tokens as credentials: `Authorization: Bearer ctk_...`; on the second face, `?token=`."""

from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar

from aiohttp import hdrs, web

from components.engine.context import Engine
from components.engine.tokens.checking import check_token
from components.engine.tokens.deploy_token import check_deploy_token
from components.engine.tokens.documents import Scope
from components.engine.tokens.errors import BadToken
from components.engine.tokens.text import PREFIX, digest_of, is_whole
from components.http.identity.callers import Caller, Permission
from components.http.identity.needs import tool_of
from components.http.keys import ENGINE, UNKNOWN_TOKENS

T = TypeVar("T")

TOKEN_PARAMETER = "token"  # noqa: S105 - a name
"""The parameter of the second face that has the tool's deploy token."""

SCOPES: Mapping[Scope, frozenset[Permission]] = {
    Scope.READ: frozenset({Permission.SEE, Permission.READ}),
    Scope.DEPLOY: frozenset({Permission.CREATE, Permission.STEER}),
}
"""What a token may do."""


def bearer_of(request: web.Request) -> str | None:
    """Return what is sent as a bearer token, ours or another's; None if nothing is.

    Raises `BadToken` if there is more than one.
    """
    given = [each.split(maxsplit=1) for each in request.headers.getall(hdrs.AUTHORIZATION, [])]
    found = [each[1].strip() for each in given if len(each) > 1 and each[0].lower() == "bearer"]
    if len(found) > 1:
        raise BadToken("the header Authorization must be given exactly once")
    return found[0] if found else None


def is_ours(bearer: str) -> bool:
    """Whether a bearer token may be one of this service's; a gateway may send its own."""
    return bearer.startswith(PREFIX)


async def by_token(request: web.Request, text: str) -> Caller:
    """Return the caller with a token. Raises `BadToken`, `BadToolName`, `TooManyRequests`."""
    tool = tool_of(request)
    if not is_whole(text):
        raise BadToken(
            f"the token is not whole: it is {PREFIX} and 49 letters and digits, and the last 6 of "
            "them are a checksum"
        )
    token = await _check(request, tool, text, check_token)
    scopes = " and ".join(token.scopes)
    return Caller(
        tool,
        f"a token with the scope {scopes}",
        frozenset[Permission]().union(*(SCOPES[each] for each in token.scopes)),
        token.components,
    )


async def by_deploy_token(request: web.Request) -> Caller:
    """Return the caller with the deploy token in the query.

    Raises `BadToken`, `BadToolName`, `TooManyRequests`.
    """
    tool, given = tool_of(request), request.query.getall(TOKEN_PARAMETER)
    if len(given) > 1:
        raise BadToken(f"the query parameter {TOKEN_PARAMETER} must be given exactly once")
    await _check(request, tool, given[0], check_deploy_token)
    return Caller(tool, "the deploy token", frozenset({Permission.SEE, Permission.CREATE}))


async def _check(
    request: web.Request, tool: str, text: str, check: Callable[[Engine, str, str], Awaitable[T]]
) -> T:
    """Check a token in the store, unless too many unknown ones were sent."""
    # A hash, so that no token stays in memory.
    key = f"{tool} {digest_of(text)}"
    return await request.app[UNKNOWN_TOKENS].check(
        key, lambda: check(request.app[ENGINE], tool, text)
    )
