"""Authorization: one middleware in front of every handler, so that new routes are protected too."""

from aiohttp import web
from aiohttp.typedefs import Handler

from components.http.errors import Forbidden
from components.http.identity.callers import Caller, Permission
from components.http.identity.identification import identify
from components.http.identity.needs import need_of, tool_of
from components.http.identity.revocation import closed_when_revoked
from components.http.keys import CALLER


@web.middleware
async def access_middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Accept a request if its route is public, or if its caller may do what the route does.

    The handler finds the caller in the request. Raises `Unauthenticated`, `BadToolName`,
    `Forbidden`.
    """
    if request.match_info.http_exception is None:
        need = need_of(request)
        if need is not Permission.PUBLIC:
            caller = await identify(request)
            _authorize(caller, tool_of(request), need)
            request[CALLER] = caller
            if caller.is_token:
                async with closed_when_revoked(request):
                    return await handler(request)
    return await handler(request)


def _authorize(caller: Caller, tool: str, need: Permission | None) -> None:
    if caller.tool != tool:
        raise Forbidden(f"only the tool {tool!r} itself may do this")
    if need is None:
        raise Forbidden("nobody may do this: the service does not say who may")
    if need not in caller.permissions:
        raise Forbidden(f"{caller.name} may not {need.value}")
