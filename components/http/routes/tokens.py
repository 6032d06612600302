"""The routes of a tool's tokens."""

import re
from dataclasses import asdict
from http import HTTPStatus

from aiohttp import web

from components.engine.tokens.errors import NoToken
from components.engine.tokens.operations import (
    create_token,
    list_tokens,
    revoke_token,
)
from components.http.documentation.document import TokenPath, ToolPath, operation
from components.http.keys import ENGINE
from components.http.requests.deploy_requests import body_of
from components.http.requests.objects import read_object
from components.http.requests.token_requests import TOKEN_NAME, NewTokenSchema, TokenBody
from components.http.responses.envelope import enveloped
from components.http.responses.schemas import (
    MadeTokenResponseSchema,
    RevokedTokenResponseSchema,
    TokensResponseSchema,
)
from components.http.responses.token_schemas import MadeTokenSchema, TokensSchema

_TOKENS, _MADE = TokensSchema(), MadeTokenSchema()


@operation(
    "createToken",
    "Make a token for others to act as the tool; it is shown only in this response",
    MadeTokenResponseSchema,
    HTTPStatus.NOT_FOUND,
    HTTPStatus.CONFLICT,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    path=ToolPath,
    tags=["tokens"],
    status=HTTPStatus.CREATED,
    requestBody=body_of("NewToken", required=True),
)
async def post_token(request: web.Request) -> web.Response:
    """Make a token and return it."""
    body: TokenBody = await read_object(request, NewTokenSchema)
    made = await create_token(
        request.app[ENGINE],
        request.match_info["toolname"],
        body.name,
        body.scopes,
        body.components,
        body.days,
    )
    data = _MADE.dump({**asdict(made.token), "text": made.text})
    headers = {"Cache-Control": "no-store"}
    return enveloped(data, status=HTTPStatus.CREATED, headers=headers)


@operation(
    "listTokens",
    "List the tokens of the tool, by name, with their last use",
    TokensResponseSchema,
    path=ToolPath,
    tags=["tokens"],
)
async def get_tokens(request: web.Request) -> web.Response:
    """Return all tokens of a tool, without their texts."""
    answer = await list_tokens(request.app[ENGINE], request.match_info["toolname"])
    data = _TOKENS.dump(
        {"tokens": [asdict(each.token) | {"used": each.used} for each in answer.value]}
    )
    return enveloped(data, warnings=answer.warnings)


@operation(
    "revokeToken",
    "Revoke a token: it is refused from now on",
    RevokedTokenResponseSchema,
    HTTPStatus.NOT_FOUND,
    path=TokenPath,
    tags=["tokens"],
)
async def delete_token(request: web.Request) -> web.Response:
    """Revoke a token, and return its name."""
    tool, name = request.match_info["toolname"], request.match_info["name"]
    # An invalid name never reaches the store, where it could name another object.
    if not re.fullmatch(TOKEN_NAME, name):
        raise NoToken(tool, name)
    await revoke_token(request.app[ENGINE], tool, name)
    return enveloped({"name": name})


ROUTES = (
    web.post("/api/v1/tool/{toolname}/tokens", post_token),
    web.get("/api/v1/tool/{toolname}/tokens", get_tokens),
    web.delete("/api/v1/tool/{toolname}/tokens/{name}", delete_token),
)
