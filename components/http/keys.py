"""What an application holds, by typed keys."""

from aiohttp import web

from components.engine.context import Engine
from components.settings import Settings

SETTINGS = web.AppKey("settings", Settings)
ENGINE = web.AppKey("engine", Engine)
