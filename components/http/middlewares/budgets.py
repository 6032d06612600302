"""What one tool may take of an instance: how often it asks, and how much it holds."""

from collections import Counter
from functools import lru_cache

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from aiolimiter import AsyncLimiter

from components.configuration.problems import InvalidConfiguration, MalformedConfiguration
from components.configuration.reading import Format, read
from components.http.errors import TooManyRequests
from components.http.identity.origins import SAFE_METHODS
from components.http.server.connections import most_connections
from components.settings import Settings

_TOOLS = 100_000
"""Of how many tools it is known how often they ask."""

_HELD_SECONDS = 5
"""When to come back for a place among what is held: any of them may end any moment."""

_DEPLOY = "/api/v1/tool/{toolname}/deploy"
_EVENTS = "/api/v1/tool/{toolname}/deploy/{deploy_id}/events"


class _Rate:
    """How often each tool may do something in a minute; 0 is any number.

    As many may come at once, and then one in each share of a minute.
    """

    def __init__(self, per_minute: int, what: str) -> None:
        self._per_minute = per_minute
        self._what = what
        # One that is forgotten was not used for long, so that it would be full again.
        self._bucket_of = lru_cache(_TOOLS)(lambda tool: AsyncLimiter(per_minute, 60))

    async def take(self, tool: str) -> None:
        """Count one. Raises `TooManyRequests`."""
        if not self._per_minute:
            return
        bucket = self._bucket_of(tool)
        if not bucket.has_capacity():
            raise TooManyRequests(
                f"at most {self._per_minute} requests that {self._what} are taken for a tool in a "
                "minute: wait a little",
                60 / self._per_minute,
            )
        await bucket.acquire()


def budget_middleware(settings: Settings) -> Middleware:
    """Return a middleware that keeps each tool within its budgets, on this instance.

    It comes after those that say who asks and what the query means. Raises `TooManyRequests`.
    """
    reads = _Rate(settings.reads_per_minute, "change nothing")
    writes = _Rate(settings.writes_per_minute, "change something")
    held: Counter[str] = Counter()
    # Whoever holds them: the other half of the connections is for what is answered at once.
    most_held = max(1, most_connections(settings.max_connections) // 2)

    @web.middleware
    async def keep(request: web.Request, handler: Handler) -> web.StreamResponse:
        tool = request.match_info.get("toolname")
        if not tool:
            return await handler(request)
        await (writes if await _changes_something(request) else reads).take(tool)
        if not _is_held(request):
            return await handler(request)
        if held.total() >= most_held:
            raise TooManyRequests(
                f"all tools together hold the {most_held} event streams, waits and followed logs "
                "that this instance has: wait a little",
                _HELD_SECONDS,
            )
        if settings.max_held and held[tool] >= settings.max_held:
            raise TooManyRequests(
                f"at most {settings.max_held} event streams, waits and followed logs are held for "
                "a tool at a time: end one, or wait a little",
                _HELD_SECONDS,
            )
        held[tool] += 1
        try:
            return await handler(request)
        finally:
            held[tool] -= 1
            if not held[tool]:
                del held[tool]

    return keep


def _is_held(request: web.Request) -> bool:
    """Whether a request is answered for as long as something goes on."""
    query = request.get("querystring", {})
    return _path(request) == _EVENTS or bool(query.get("wait") or query.get("follow"))


async def _changes_something(request: web.Request) -> bool:
    return request.method not in SAFE_METHODS and not await _is_dry_run(request)


async def _is_dry_run(request: web.Request) -> bool:
    """Whether a deployment is asked for only in thought, which its body alone says."""
    if _path(request) != _DEPLOY or b"dry-run" not in (body := await request.read()):
        return False
    try:
        value = read(body, Format.JSON)
    except (InvalidConfiguration, MalformedConfiguration):
        return False  # the handler says what is wrong with it
    return isinstance(value, dict) and value.get("dry-run") is True


def _path(request: web.Request) -> str | None:
    resource = request.match_info.route.resource
    return resource.canonical if resource else None
