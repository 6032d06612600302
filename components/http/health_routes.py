"""Is the service alive, and can it do its work?"""

from http import HTTPStatus

from aiohttp import web

from components.http.documentation import operation
from components.http.envelope import wrapped
from components.http.keys import BACKGROUND, HEALTH
from components.http.schemas import HealthResponseSchema, ReadinessResponseSchema


@operation("getHealth", "Whether the service is alive", HealthResponseSchema, tags=["health"])
async def healthz(request: web.Request) -> web.Response:
    """Answer that the service is alive."""
    return wrapped({"status": "alive"})


@operation(
    "getReadiness",
    "Whether the service can reach its store, and how the builder is",
    ReadinessResponseSchema,
    HTTPStatus.SERVICE_UNAVAILABLE,
    tags=["health"],
)
async def readyz(request: web.Request) -> web.Response:
    """Answer whether the store answers; the builder and the background loop are only told of."""
    builder = await request.app[HEALTH].builder()
    age = request.app[BACKGROUND].since_last_round
    loop = "goes round" if age < STALLED_SECONDS else f"has completed no round for {age:.0f} s"
    return wrapped({"status": "ready", "store": "answers", "builder": builder, "background": loop})


STALLED_SECONDS = 60.0
"""After how long without a round it is said that the background loop stands still."""

ROUTES = (web.get("/healthz", healthz), web.get("/readyz", readyz))
