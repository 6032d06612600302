"""The OpenAPI document: the declarations of routes, and how it is assembled."""

import mimetypes
from collections.abc import AsyncIterator, Callable, Mapping
from functools import cache
from http import HTTPStatus
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar

from aiohttp import hdrs, web
from aiohttp_apigami import (
    AiohttpApiSpec,
    OpenApiVersion,
    docs,
    match_info_schema,
    response_schema,
)
from aiohttp_apigami.swagger_ui import SWAGGER_UI_STATIC_FILES
from marshmallow import Schema, fields

from components import __version__
from components.caller_secret import CALLER_HEADER
from components.configuration.json_schema import REQUIRED, publish_component
from components.engine.tokens.text import PREFIX
from components.http.documentation.examples import EXAMPLES
from components.http.documentation.links import add_links
from components.http.errors import CHALLENGE, TOKEN_CHALLENGE
from components.http.identity.callers import Permission
from components.http.identity.needs import NEEDS, OWN
from components.http.middlewares.headers import POLICY
from components.http.middlewares.limits import refuse_parameters
from components.http.requests.deploy_requests import BODIES
from components.http.requests.token_requests import TOKEN_BODIES
from components.http.responses.schemas import ErrorResponseSchema
from components.tool_name import TOOL_NAME

H = TypeVar("H", bound=Callable[..., Any])

SECURITY_SCHEME = "subject"
CALLER_SCHEME = "caller"
TOKEN_SCHEME = "token"  # noqa: S105 - a name
_DESCRIPTION = """\
Stores a tool's configuration and deploys its components. All builds start in parallel.

Every response has an envelope: `data`, and `messages` for people."""

_COMMON_STATUSES = (
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    HTTPStatus.MISDIRECTED_REQUEST,
    HTTPStatus.INTERNAL_SERVER_ERROR,
)
_TOOL_STATUSES = (
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.FORBIDDEN,
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.SERVICE_UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT,
)


_TEXT: dict[str, Any] = {"content": {"text/plain": {"schema": {"type": "string"}}}}


class ToolPath(Schema):
    """The path of a tool."""

    toolname = fields.String(
        required=True, metadata={"description": "The tool.", "pattern": f"^{TOOL_NAME}$"}
    )


class DeploymentPath(ToolPath):
    """The path of a deployment."""

    deploy_id = fields.String(
        required=True, metadata={"description": "The deployment's id, or `latest`."}
    )


class ComponentPath(ToolPath):
    """The path of a component that runs."""

    component = fields.String(required=True, metadata={"description": "The component's name."})


class TokenPath(ToolPath):
    """The path of a token."""

    name = fields.String(required=True, metadata={"description": "The token's name."})


class BuildPath(DeploymentPath):
    """The path of a component's build."""

    component = fields.String(required=True, metadata={"description": "The component's name."})


def operation(
    operation_id: str,
    summary: str,
    answer: type[Schema] | None,
    *errors: HTTPStatus,
    path: type[ToolPath] | None = None,
    status: HTTPStatus = HTTPStatus.OK,
    scheme: str = SECURITY_SCHEME,
    **attributes: Any,
) -> Callable[[H], H]:
    """Document a handler: its response, its path, and the statuses of its errors.

    `scheme` is the security scheme that says who calls. An `answer` of None means plain text
    without an envelope, unless `responses` says otherwise.
    """
    statuses = {*_COMMON_STATUSES, *errors, *(_TOOL_STATUSES if path else ())}
    security: list[dict[str, list[str]]] = [
        {scheme: []},
        {scheme: [], CALLER_SCHEME: []},
    ]

    def decorate(handler: H) -> H:
        for each in sorted(statuses):
            handler = response_schema(ErrorResponseSchema, each, description=each.phrase)(handler)
        if answer:
            handler = response_schema(answer, status, description=status.phrase)(handler)
        else:
            attributes.setdefault("responses", {status: _TEXT | {"description": status.phrase}})
        if path:
            handler = match_info_schema(path)(handler)
        return docs(
            operation_id=operation_id,
            summary=summary,
            security=security if path else [],
            **attributes,
        )(handler)

    return decorate


def setup_documentation(
    app: web.Application, auth_header: str, schemes: Mapping[str, dict[str, Any]]
) -> None:
    """Serve the OpenAPI document of all routes of `app`, and Swagger UI.

    `schemes` are more security schemes, by their names.
    """
    api = AiohttpApiSpec(
        url="/openapi.json",
        openapi_version=OpenApiVersion.V303,
        error_callback=refuse_parameters,
        title="Components API",
        version=__version__,
        info={"description": _DESCRIPTION, "license": {"name": "Apache-2.0"}},
    )
    scheme = {
        "type": "apiKey",
        "in": "header",
        "name": auth_header,
        "description": "The subject of the client's certificate, as RFC 4514 writes it, for "
        "example `CN=mytool,O=toolforge`. Behind a gateway, the gateway sets it.",
    }
    caller = {
        "type": "apiKey",
        "in": "header",
        "name": CALLER_HEADER,
        "description": "Needed if builds run on the machine of the service: the secret in the "
        "file that its log names.",
    }
    api.spec.components.security_scheme(SECURITY_SCHEME, scheme)
    token = {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": f"{PREFIX}...",
        "description": "A token of the tool, in place of a subject, with the scope that the "
        "operation needs: `read` or `deploy`.",
    }
    api.spec.components.security_scheme(CALLER_SCHEME, caller)
    api.spec.components.security_scheme(TOKEN_SCHEME, token)
    for name, each in schemes.items():
        api.spec.components.security_scheme(name, each)
    for plugin in api.spec.plugins:
        plugin.converter.add_attribute_function(publish_component)  # type: ignore[attr-defined]
    for name, schema in (BODIES | TOKEN_BODIES).items():
        api.spec.components.schema(name, schema=schema)
    api.register(app, in_place=True)
    _adjust(document_of(app))
    add_links(document_of(app))
    for path in ("/docs", "/docs/"):
        app.router.add_get(path, _swagger_ui)
    app.router.add_get("/docs/static/{name}", _swagger_file)


_SWAGGER_FILES = {path.name: path for path in SWAGGER_UI_STATIC_FILES.iterdir()} | {
    # The page has no inline script, so that its policy can forbid inline scripts.
    "start.js": Path(__file__).with_name("swagger.js")
}
_CHUNK_SIZE = 2**16
_PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


async def _swagger_ui(request: web.Request) -> web.Response:
    # Not apigami's own page: that sends the document to a validator on the internet.
    page = files("components.http.documentation").joinpath("swagger.html")
    text = page.read_text(encoding="utf-8")
    return web.Response(text=text, content_type="text/html", headers={POLICY: _PAGE_POLICY})


async def _swagger_file(request: web.Request) -> web.Response:
    name = request.match_info["name"]
    if name not in _SWAGGER_FILES:
        raise web.HTTPNotFound
    # Not a FileResponse: that holds a file open while a slow client reads it.
    content = _content(name)
    content_type, _ = mimetypes.guess_type(name)
    return web.Response(
        body=_chunks(content),
        content_type=content_type or "application/octet-stream",
        headers={hdrs.CONTENT_LENGTH: str(len(content)), hdrs.CACHE_CONTROL: "max-age=3600"},
    )


async def _chunks(content: bytes) -> AsyncIterator[memoryview]:
    """Yield the content in chunks, so that slow clients do not each hold a copy."""
    for start in range(0, len(content), _CHUNK_SIZE):
        yield memoryview(content)[start : start + _CHUNK_SIZE]


@cache
def _content(name: str) -> bytes:
    return _SWAGGER_FILES[name].read_bytes()


def document_of(app: web.Application) -> dict[str, Any]:
    """Return the OpenAPI document that an application serves."""
    document: dict[str, Any] = app["swagger_dict"]  # apigami's own key
    return document


def _adjust(document: dict[str, Any]) -> None:
    """Remove what apigami adds needlessly, and add a header and examples, which it cannot.

    OpenAPI 3 has no `produces`. The HEAD that aiohttp adds to each GET would be a second operation
    with the same id.
    """
    challenges = {"schema": {"enum": [CHALLENGE, TOKEN_CHALLENGE]}}
    for path, methods in document["paths"].items():
        methods.pop("head", None)
        for method, each in methods.items():
            each.pop("produces", None)
            if unauthorized := each["responses"].get(str(HTTPStatus.UNAUTHORIZED.value)):
                unauthorized["headers"] = {"WWW-Authenticate": challenges}
            need = NEEDS.get((method.upper(), path))
            if path.startswith(OWN) and need is not Permission.MANAGE:
                each["security"] = [*each["security"], {TOKEN_SCHEME: []}]
    document["components"]["schemas"]["Configuration"] |= REQUIRED
    # Without examples, Swagger UI shows random values that match the patterns.
    for name, example in EXAMPLES.items():
        document["components"]["schemas"][name]["example"] = example
