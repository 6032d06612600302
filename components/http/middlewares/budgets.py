"""Limits of each tool on an instance: its request rate, and its held requests."""

from collections import Counter

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from components.configuration.problems import InvalidConfiguration, MalformedConfiguration
from components.configuration.reading import Format, read
from components.http.errors import TooManyRequests
from components.http.identity.origins import SAFE_METHODS
from components.http.middlewares.rates import Rate
from components.http.server.connections import connection_limit
from components.settings import Settings

_HELD_RETRY_SECONDS = 5
"""The `Retry-After` if too many requests are held: each may end at any moment."""

_RATE = "requests that change {} are accepted for a tool in a minute"

_DEPLOY = "/api/v1/tool/{toolname}/deploy"
_EVENTS = "/api/v1/tool/{toolname}/deploy/{deploy_id}/events"


def budget_middleware(settings: Settings) -> Middleware:
    """Return a middleware that enforces the limits of each tool on this instance.

    It comes after authorization and query parsing. Raises `TooManyRequests`.
    """
    reads = Rate(settings.reads_per_minute, _RATE.format("nothing"))
    writes = Rate(settings.writes_per_minute, _RATE.format("something"))
    held: Counter[str] = Counter()
    # For all tools together: the other half of the connections is for short requests.
    max_total = max(1, connection_limit(settings.max_connections) // 2)

    @web.middleware
    async def enforce(request: web.Request, handler: Handler) -> web.StreamResponse:
        tool = request.match_info.get("toolname")
        if not tool:
            return await handler(request)
        await (writes if await _changes_something(request) else reads).acquire(tool)
        if not _is_held(request):
            return await handler(request)
        if held.total() >= max_total:
            raise TooManyRequests(
                f"all tools together hold the {max_total} event streams, waits and followed logs "
                "that this instance allows: wait and retry",
                _HELD_RETRY_SECONDS,
            )
        if settings.max_held and held[tool] >= settings.max_held:
            raise TooManyRequests(
                f"at most {settings.max_held} event streams, waits and followed logs are held for "
                "a tool at a time: end one, or wait and retry",
                _HELD_RETRY_SECONDS,
            )
        held[tool] += 1
        try:
            return await handler(request)
        finally:
            held[tool] -= 1
            if not held[tool]:
                del held[tool]

    return enforce


def _is_held(request: web.Request) -> bool:
    """Whether a request may stay open for long: events, a wait, or a followed log."""
    query = request.get("querystring", {})
    return _path(request) == _EVENTS or bool(query.get("wait") or query.get("follow"))


async def _changes_something(request: web.Request) -> bool:
    return request.method not in SAFE_METHODS and not await _is_dry_run(request)


async def _is_dry_run(request: web.Request) -> bool:
    """Whether the body asks for a dry run."""
    if _path(request) != _DEPLOY or b"dry-run" not in (body := await request.read()):
        return False
    try:
        value = read(body, Format.JSON)
    except (InvalidConfiguration, MalformedConfiguration):
        return False  # the handler reports the error
    return isinstance(value, dict) and value.get("dry-run") is True


def _path(request: web.Request) -> str | None:
    resource = request.match_info.route.resource
    return resource.canonical if resource else None
