"""Is the service alive, and can it do its work?"""

from http import HTTPStatus

from aiohttp import web

from components.http.documentation.document import operation
from components.http.errors import Stopping
from components.http.keys import BACKGROUND, HEALTH, STOPPING
from components.http.responses.envelope import enveloped
from components.http.responses.schemas import HealthResponseSchema, ReadinessResponseSchema


@operation("getHealth", "Whether the service is alive", HealthResponseSchema, tags=["health"])
async def healthz(request: web.Request) -> web.Response:
    """Answer that the service is alive."""
    return enveloped({"status": "alive"})


@operation(
    "getReadiness",
    "Whether the service can reach its store, and how the builder is",
    ReadinessResponseSchema,
    HTTPStatus.SERVICE_UNAVAILABLE,
    tags=["health"],
)
async def readyz(request: web.Request) -> web.Response:
    """Answer whether the store answers; the builder and the background loop are only told of.

    Raises `Stopping`.
    """
    if request.app[STOPPING].is_set():
        raise Stopping
    builder = await request.app[HEALTH].builder()
    background = request.app[BACKGROUND]
    age, lag = background.since_last_scan, background.lag
    return enveloped(
        {
            "status": "ready",
            "store": "answers",
            "builder": builder,
            "background": _in_words(age, lag),
            "background-round-age-seconds": round(age, 1),
            "background-lag-seconds": round(lag, 1),
        }
    )


def _in_words(age: float, lag: float) -> str:
    if age >= STALLED_SECONDS:
        return f"has completed no round for {age:.0f} s"
    if lag >= LAG_SECONDS:
        return f"goes round, and is late: a deployment has been due for {lag:.0f} s"
    return "goes round"


STALLED_SECONDS = 60.0
"""After how long without a round it is said that the background loop stands still."""

LAG_SECONDS = 10.0
"""After how long it is said that a deployment waits for its turn to be moved on."""

ROUTES = (web.get("/healthz", healthz), web.get("/readyz", readyz))
