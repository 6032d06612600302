"""Who calls: the subject of a certificate, or the tool that a gateway names."""

from aiohttp import web

from components.http.errors import BadToolName, Forbidden, Unauthenticated
from components.http.identity.callers import Caller
from components.http.identity.needs import is_toolforge
from components.http.identity.peers import Peer, peer_of, trusted_header
from components.http.identity.subject import Subject
from components.http.keys import SETTINGS
from components.tool_name import RULE, is_tool_name

TOOL_HEADER = "x-toolforge-tool"
"""The header of the second face: the tool, as a gateway has found it."""


async def identify(request: web.Request) -> Caller:
    """Return who calls. Neither face knows the header of the other.

    Raises `StaleConnection`, `Unauthenticated`, `BadToolName`, and `Forbidden` for a subject of
    another organization.
    """
    peer = peer_of(request)
    if is_toolforge(request):
        return _on_toolforge(request, peer)
    return _by_subject(request, peer)


def tool_of(request: web.Request) -> str:
    """Return the tool in the path. Raises `BadToolName`."""
    tool = request.match_info.get("toolname", "")
    if not is_tool_name(tool):
        raise BadToolName(f"a tool's name is {RULE}")
    return tool


def _on_toolforge(request: web.Request, peer: Peer) -> Caller:
    """Return the tool in the header of a trusted peer, or that of the client certificate."""
    if not peer.trusted:
        return _by_subject(request, peer)
    named = trusted_header(request, peer, TOOL_HEADER)
    tool_of(request)
    return Caller(named)


def _by_subject(request: web.Request, peer: Peer) -> Caller:
    """Return the tool that the subject of a certificate names."""
    subject = _subject(request, peer)
    tool_of(request)
    organization = request.app[SETTINGS].auth_organization
    if subject.organization != organization:
        raise Forbidden(f"only certificates of the organization {organization!r} may do this")
    return Caller(subject.common_name)


def _subject(request: web.Request, peer: Peer) -> Subject:
    """Return the subject: of the client certificate, or, from a trusted peer, of the header."""
    if peer.trusted:
        header = request.app[SETTINGS].auth_header
        try:
            return Subject.parse(trusted_header(request, peer, header))
        except ValueError as error:
            raise Unauthenticated(f"the header {header} has no usable subject: {error}") from None
    if peer.name is None:
        raise Unauthenticated(
            "without TLS, only this machine itself is trusted: connect with a client certificate"
        )
    try:
        return Subject.of(peer.name)
    except ValueError as error:
        raise Unauthenticated(f"the client certificate has no usable subject: {error}") from None
