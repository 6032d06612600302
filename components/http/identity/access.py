"""Authorization: one middleware in front of every handler, so that new routes are protected too."""

from secrets import compare_digest

from aiohttp import web
from aiohttp.typedefs import Handler

from components.caller_secret import CALLER_HEADER
from components.http.errors import BadToolName, Forbidden, Unauthenticated
from components.http.identity.origins import is_loopback
from components.http.identity.subject import Subject, same_name
from components.http.keys import CALLER_SECRET, CURRENT_TLS, ENGINE, GATEWAYS, SETTINGS
from components.http.server.tls import peer_name
from components.tool_name import RULE, is_tool_name

PUBLIC_PATHS = frozenset(
    {"/openapi.json", "/docs", "/docs/", "/docs/static/{name}", "/healthz", "/readyz"}
)
"""The public paths. All others need a subject, which must be the tool in the path."""


@web.middleware
async def access_middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Accept a request if its path is public, or if its subject is the tool in the path.

    Raises `Unauthenticated`, `BadToolName`, `Forbidden`.
    """
    route = request.match_info.route
    if request.match_info.http_exception is None and not (
        route.resource is not None and route.resource.canonical in PUBLIC_PATHS
    ):
        _authorize(request, _authenticate(request))
    return await handler(request)


def _authenticate(request: web.Request) -> Subject:
    """Return the subject: of the client certificate, or, from a gateway, of the header.

    Without TLS, the header is trusted from this machine, or from everywhere if the settings say so.
    If builds run on this machine, the caller must also send the secret, which builds cannot read.
    """
    settings = request.app[SETTINGS]
    peer = peer_name(request, request.app[CURRENT_TLS])
    if peer is None:
        if settings.trust_plaintext or is_loopback(request.remote):
            _check_secret(request)
            return _of_header(request, settings.auth_header)
        raise Unauthenticated(
            "without TLS, only this machine itself is trusted: connect with a client certificate"
        )
    if any(same_name(peer, gateway) for gateway in request.app[GATEWAYS]):
        return _of_header(request, settings.auth_header)
    try:
        return Subject.of(peer)
    except ValueError as error:
        raise Unauthenticated(f"the client certificate has no usable subject: {error}") from None


def _check_secret(request: web.Request) -> None:
    given = request.headers.get(CALLER_HEADER, "").encode("utf-8", "surrogateescape")
    if request.app[ENGINE].builder.runs_here and not compare_digest(
        given, request.app[CALLER_SECRET].encode()
    ):
        raise Unauthenticated(
            f"the header {CALLER_HEADER} must have this service's secret, since builds run on this "
            "machine too: the service's log names the file, which only its user can read"
        )


def _of_header(request: web.Request, header: str) -> Subject:
    values = request.headers.getall(header, [])
    if len(values) != 1:
        raise Unauthenticated(f"the header {header} must be given exactly once")
    try:
        return Subject.parse(values[0])
    except ValueError as error:
        raise Unauthenticated(f"the header {header} has no usable subject: {error}") from None


def _authorize(request: web.Request, subject: Subject) -> None:
    tool = request.match_info.get("toolname", "")
    if not is_tool_name(tool):
        raise BadToolName(f"a tool's name is {RULE}")
    organization = request.app[SETTINGS].auth_organization
    if subject.organization != organization:
        raise Forbidden(f"only certificates of the organization {organization!r} may do this")
    if subject.common_name != tool:
        raise Forbidden(f"only the tool {tool!r} itself may do this")
