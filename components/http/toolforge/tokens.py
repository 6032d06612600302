"""The routes of a tool's deploy token, as Toolforge's components service has them."""

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import TypeAlias

from aiohttp import web
from aiohttp_apigami import querystring_schema

from components.engine.context import Engine
from components.engine.tokens.deploy_token import (
    DeployToken,
    create_deploy_token,
    delete_deploy_token,
    replace_deploy_token,
    show_deploy_token,
)
from components.http.documentation.document import ToolPath
from components.http.identity.needs import TOOLFORGE
from components.http.keys import ENGINE
from components.http.responses.envelope import enveloped
from components.http.toolforge.documentation import tool_operation
from components.http.toolforge.requests import CommonQuery
from components.http.toolforge.schemas import TokenResponseSchema, ToolforgeTokenSchema

_TOKEN = ToolforgeTokenSchema()

Operation: TypeAlias = Callable[[Engine, str], Awaitable[DeployToken]]


@tool_operation(
    "toolforgeGetToken",
    "Show the deploy token",
    TokenResponseSchema,
    HTTPStatus.NOT_FOUND,
    path=ToolPath,
)
@querystring_schema(CommonQuery)
async def get_token(request: web.Request) -> web.Response:
    """Return the deploy token."""
    return await _of(request, show_deploy_token)


@tool_operation(
    "toolforgeCreateToken",
    "Create the deploy token, with which others create and look at deployments",
    TokenResponseSchema,
    HTTPStatus.NOT_FOUND,
    HTTPStatus.CONFLICT,
    path=ToolPath,
)
@querystring_schema(CommonQuery)
async def post_token(request: web.Request) -> web.Response:
    """Create the deploy token and return it."""
    return await _of(request, create_deploy_token, "created")


@tool_operation(
    "toolforgeReplaceToken",
    "Replace the deploy token by another one; the old one is refused from now on",
    TokenResponseSchema,
    HTTPStatus.NOT_FOUND,
    path=ToolPath,
)
@querystring_schema(CommonQuery)
async def put_token(request: web.Request) -> web.Response:
    """Replace the deploy token and return the new one."""
    return await _of(request, replace_deploy_token, "refreshed")


@tool_operation(
    "toolforgeDeleteToken",
    "Delete the deploy token and return it: it is refused from now on",
    TokenResponseSchema,
    HTTPStatus.NOT_FOUND,
    path=ToolPath,
)
@querystring_schema(CommonQuery)
async def delete_token(request: web.Request) -> web.Response:
    """Delete the deploy token and return it."""
    return await _of(request, delete_deploy_token, "deleted")


async def _of(request: web.Request, operation: Operation, done: str = "") -> web.Response:
    tool = request.match_info["toolname"]
    token = await operation(request.app[ENGINE], tool)
    info = (f"Deploy token of {tool} {done} successfully.",) if done else ()
    return enveloped(_TOKEN.dump(token), info=info, headers={"Cache-Control": "no-store"})


ROUTES = (
    web.get(f"{TOOLFORGE}/deployment/token", get_token),
    web.post(f"{TOOLFORGE}/deployment/token", post_token),
    web.put(f"{TOOLFORGE}/deployment/token", put_token),
    web.delete(f"{TOOLFORGE}/deployment/token", delete_token),
)
