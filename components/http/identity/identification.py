"""Who calls: the subject of a certificate, the tool that a gateway names, or a token."""

from aiohttp import web

from components.engine.tokens.errors import BadToken
from components.engine.tokens.text import PREFIX
from components.http.errors import Forbidden, Unauthenticated
from components.http.identity.callers import Caller
from components.http.identity.needs import is_toolforge, tool_of
from components.http.identity.peers import Peer, peer_of, trusted_header
from components.http.identity.subject import Subject
from components.http.identity.tokens import (
    TOKEN_PARAMETER,
    bearer_of,
    by_deploy_token,
    by_token,
    is_ours,
)
from components.http.keys import SETTINGS

TOOL_HEADER = "x-toolforge-tool"
"""The header of the second face: the tool, as a gateway has found it."""


async def identify(request: web.Request) -> Caller:
    """Return who calls. Neither face knows the header of the other.

    Raises `StaleConnection`, `Unauthenticated`, `BadToken`, `BadToolName`, `TooManyRequests` for
    unknown tokens, and `Forbidden` for a subject of another organization.
    """
    peer = peer_of(request)
    if is_toolforge(request):
        return await _on_toolforge(request, peer)
    bearer = bearer_of(request)
    has_subject = request.app[SETTINGS].auth_header in request.headers
    if bearer is not None and is_ours(bearer):
        if has_subject:
            raise Unauthenticated(
                f"the request has a token and the header {request.app[SETTINGS].auth_header}: send "
                "one of them"
            )
        return await by_token(request, bearer)
    is_client = peer.name is not None and not peer.trusted
    if bearer is not None and not has_subject and not is_client:
        raise BadToken(f"the bearer token is not one of this service's: those begin with {PREFIX}")
    return _by_subject(request, peer)


async def _on_toolforge(request: web.Request, peer: Peer) -> Caller:
    """Return the tool in the header of a trusted peer, or who sends the deploy token in the query.

    Without either, return the tool of the client certificate.
    """
    is_named = peer.trusted and TOOL_HEADER in request.headers
    if TOKEN_PARAMETER in request.query and not is_named:
        return await by_deploy_token(request)
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
