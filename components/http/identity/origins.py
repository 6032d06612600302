"""Protection against DNS rebinding and cross-site requests, also from browsers on this machine.

A page can bind its own name to 127.0.0.1 and then send any header, also the subject. And any page
can make a browser send a request to another origin. `Host` reveals the first, `Origin` and
`Sec-Fetch-Site` the second: a page cannot choose these headers.
"""

import ipaddress
import re
from collections.abc import Collection

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

from components.http.errors import CrossOrigin, UnknownHost
from components.http.keys import SETTINGS

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
"""The methods of requests that change nothing."""

_HOST = re.compile(r"(?:\[(?P<v6>[0-9a-fA-F:.]+)\]|(?P<name>[^\[\]:@/?#\s]+))(?::(?P<port>\d*))?")
_ORIGIN = re.compile(r"(?P<scheme>https?)://(?P<host>.*)")
_PORTS = {"http": "80", "https": "443"}
_OWN_SITES = frozenset({"same-origin", "none"})


@web.middleware
async def origin_middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Reject unknown host names from this machine, and write requests from other origins.

    Raises `UnknownHost`, `CrossOrigin`.
    """
    known = request.app[SETTINGS].hosts
    hosts = request.headers.getall(hdrs.HOST, [])
    requested = hosts
    is_own = len(hosts) == 1 and _is_own(_name(hosts[0]), known)
    if is_own and request.host not in hosts:
        # The target is in absolute form: it takes precedence over `Host` (RFC 9112, 3.2.2).
        requested = [request.host]
        is_own = _is_own(request.host.lower(), known)
    if not is_own and not request.secure and is_loopback(request.remote):
        raise UnknownHost(", ".join(requested))
    if request.method not in SAFE_METHODS:
        for site in request.headers.getall("Sec-Fetch-Site", []):
            if site not in _OWN_SITES:
                raise CrossOrigin("Sec-Fetch-Site", site)
        for origin in request.headers.getall(hdrs.ORIGIN, []):
            if not _is_same_origin(origin, request.scheme, hosts, known):
                raise CrossOrigin(hdrs.ORIGIN, origin)
    return await handler(request)


def is_loopback(address: str | None) -> bool:
    """Whether this is a loopback address."""
    try:
        return ipaddress.ip_address(address or "").is_loopback
    except ValueError:
        return False


def _is_own(name: str, known: Collection[str]) -> bool:
    return name == "localhost" or is_loopback(name) or name in known


def _is_same_origin(
    origin: str, scheme: str, hosts: Collection[str], known: Collection[str]
) -> bool:
    """Whether an origin is that of the request, or has a host name from the settings."""
    found = _ORIGIN.fullmatch(origin)
    if not found or not _name(found["host"]):
        return False
    if _name(found["host"]) in known:
        return True
    default = _PORTS[scheme]
    return found["scheme"] == scheme and any(
        _with_port(found["host"], default) == _with_port(host, default) for host in hosts
    )


def _name(host: str) -> str:
    """Return the name in `name:port`, in lower case; an empty one if it is invalid."""
    found = _HOST.fullmatch(host)
    return (found["v6"] or found["name"]).lower() if found else ""


def _with_port(host: str, default: str) -> tuple[str, str]:
    found = _HOST.fullmatch(host)
    return _name(host), (found["port"] if found else None) or default
