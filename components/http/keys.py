"""What an application holds, by typed keys."""

import asyncio

from aiohttp import web
from cryptography.x509 import Name

from components.engine.context import Engine
from components.engine.health import HealthCheck
from components.engine.loop.background import Background
from components.engine.loop.refreshing import Refresher
from components.http.server.tls import CurrentTls
from components.settings import Settings

SETTINGS = web.AppKey("settings", Settings)
ENGINE = web.AppKey("engine", Engine)
REFRESHER = web.AppKey("refresher", Refresher)
BACKGROUND = web.AppKey("background", Background)
HEALTH = web.AppKey("health", HealthCheck)
GATEWAYS = web.AppKey("gateways", tuple[Name, ...])
"""The names of the gateways whose subject header is believed."""

CURRENT_TLS = web.AppKey("current_tls", CurrentTls)
"""Which TLS context is in force; the listener says."""

CALLER_SECRET = web.AppKey("caller_secret", str)
"""What a caller in plain text has to know where builds run on this machine."""

STOPPING = web.AppKey("stopping", asyncio.Event)
"""Set once the service has been told to stop: what waits or streams ends then."""

DEADLINE = web.RequestKey("deadline", asyncio.Timeout)
"""The end of a request's time; what streams sets it aside once the answer has begun."""
