"""The typed keys of an application."""

import asyncio

from aiohttp import web
from cryptography.x509 import Name

from components.engine.context import Engine
from components.engine.health import HealthCheck
from components.engine.loop.background import Background
from components.engine.loop.refreshing import Refresher
from components.http.identity.callers import Caller, Needs
from components.http.identity.unknown_tokens import UnknownTokens
from components.http.server.tls import CurrentTls
from components.settings import Settings

SETTINGS = web.AppKey("settings", Settings)
ENGINE = web.AppKey("engine", Engine)
REFRESHER = web.AppKey("refresher", Refresher)
BACKGROUND = web.AppKey("background", Background)
HEALTH = web.AppKey("health", HealthCheck)
GATEWAYS = web.AppKey("gateways", tuple[Name, ...])
"""The names of the gateways whose subject header is trusted."""

CURRENT_TLS = web.AppKey("current_tls", CurrentTls)
"""The current TLS context; the listener sets it."""

ROUTE_NEEDS = web.AppKey("route_needs", Needs)
"""What each route needs; `components.http.identity.needs` has the table."""

UNKNOWN_TOKENS = web.AppKey("unknown_tokens", UnknownTokens)
"""The limit of tokens that this instance has not accepted before."""

CALLER_SECRET = web.AppKey("caller_secret", str)
"""The secret that callers without TLS must send if builds run on this machine."""

STOPPING = web.AppKey("stopping", asyncio.Event)
"""Set once the service is shutting down: waits and streams end then."""

DEADLINE = web.RequestKey("deadline", asyncio.Timeout)
"""The deadline of a request; streams remove it once the response has begun."""

CALLER = web.RequestKey("caller", Caller)
"""Who sends a request; not set on public routes."""
