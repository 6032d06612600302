"""What an application holds, by typed keys."""

from aiohttp import web
from cryptography.x509 import Name

from components.engine.context import Engine
from components.http.tls import CurrentTls
from components.settings import Settings

SETTINGS = web.AppKey("settings", Settings)
ENGINE = web.AppKey("engine", Engine)
GATEWAYS = web.AppKey("gateways", tuple[Name, ...])
"""The names of the gateways whose subject header is believed."""

CURRENT_TLS = web.AppKey("current_tls", CurrentTls)
"""Which TLS context is in force; the listener says."""
