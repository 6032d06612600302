"""The other end of a connection, and whether its headers may say who calls."""

from dataclasses import dataclass
from secrets import compare_digest

from aiohttp import web
from cryptography.x509 import Name

from components.caller_secret import CALLER_HEADER
from components.http.errors import Unauthenticated
from components.http.identity.origins import is_loopback
from components.http.identity.subject import same_name
from components.http.keys import CALLER_SECRET, CURRENT_TLS, ENGINE, GATEWAYS, SETTINGS
from components.http.server.tls import peer_name


@dataclass(frozen=True, slots=True)
class Peer:
    """The name in the client certificate, if any; `trusted` if its headers say who calls."""

    name: Name | None
    trusted: bool


def peer_of(request: web.Request) -> Peer:
    """Return the peer: a gateway is trusted; without TLS, this machine, or all if settings say so.

    Raises `StaleConnection`.
    """
    name = peer_name(request, request.app[CURRENT_TLS])
    if name is None:
        trusted = request.app[SETTINGS].trust_plaintext or is_loopback(request.remote)
        return Peer(None, trusted)
    return Peer(name, any(same_name(name, gateway) for gateway in request.app[GATEWAYS]))


def trusted_header(request: web.Request, peer: Peer, header: str) -> str:
    """Return a header of a trusted peer that says who calls. Raises `Unauthenticated`.

    If builds run on this machine, a peer without TLS must also send the secret, which builds cannot
    read.
    """
    if peer.name is None:
        _check_secret(request)
    values = request.headers.getall(header, [])
    if len(values) != 1:
        raise Unauthenticated(f"the header {header} must be given exactly once")
    return values[0]


def _check_secret(request: web.Request) -> None:
    given = request.headers.get(CALLER_HEADER, "").encode("utf-8", "surrogateescape")
    if request.app[ENGINE].builder.runs_here and not compare_digest(
        given, request.app[CALLER_SECRET].encode()
    ):
        raise Unauthenticated(
            f"the header {CALLER_HEADER} must have this service's secret, since builds run on this "
            "machine too: the service's log names the file, which only its user can read"
        )
