"""Liveness, as Toolforge's components service reports it."""

from aiohttp import web

from components.http.documentation.document import operation
from components.http.responses.envelope import enveloped
from components.http.toolforge.schemas import HealthResponseSchema


@operation(
    "toolforgeGetHealth", "Whether the service is alive", HealthResponseSchema, tags=["toolforge"]
)
async def healthz(request: web.Request) -> web.Response:
    """Return that the service is alive."""
    return enveloped({"status": "OK"})


ROUTES = (web.get("/v1/healthz", healthz),)
