"""Liveness and readiness."""

from http import HTTPStatus

from aiohttp import web

from components.http.documentation.document import operation
from components.http.errors import Stopping
from components.http.keys import BACKGROUND, HEALTH, STOPPING
from components.http.responses.envelope import enveloped
from components.http.responses.schemas import HealthResponseSchema, ReadinessResponseSchema


@operation("getHealth", "Whether the service is alive", HealthResponseSchema, tags=["health"])
async def healthz(request: web.Request) -> web.Response:
    """Return that the service is alive."""
    return enveloped({"status": "alive"})


@operation(
    "getReadiness",
    "Whether the service can reach its store, and the state of the builder and the runner",
    ReadinessResponseSchema,
    HTTPStatus.SERVICE_UNAVAILABLE,
    tags=["health"],
)
async def readyz(request: web.Request) -> web.Response:
    """Return ready if the store responds. All else is only reported.

    Raises `Stopping`.
    """
    if request.app[STOPPING].is_set():
        raise Stopping
    health = await request.app[HEALTH].ready()
    background = request.app[BACKGROUND]
    age, lag = background.since_last_scan, background.lag
    return enveloped(
        {
            "status": "ready",
            "store": "answers",
            "builder": health.builder,
            "runner": health.runner,
            "background": _describe(age, lag),
            "background-round-age-seconds": round(age, 1),
            "background-lag-seconds": round(lag, 1),
        }
    )


def _describe(age: float, lag: float) -> str:
    if age >= STALLED_SECONDS:
        return f"has completed no scan for {age:.0f} s"
    if lag >= LAG_SECONDS:
        return f"is running late: a deployment has been due for {lag:.0f} s"
    return "is running"


STALLED_SECONDS = 60.0
"""After how long without a complete scan the background loop is reported as stalled."""

LAG_SECONDS = 10.0
"""From which lag on the background loop is reported as late."""

ROUTES = (web.get("/healthz", healthz), web.get("/readyz", readyz))
