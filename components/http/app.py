"""Creates the application."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack
from datetime import timedelta
from functools import partial
from secrets import token_urlsafe

from aiohttp import web
from aiohttp.typedefs import Middleware
from aiohttp_apigami import validation_middleware
from cryptography.x509 import Name

from backends.addresses import connector
from backends.builders.base import Builder
from backends.members.base import Members
from backends.runners.base import Runner
from backends.sources.base import Fetcher
from backends.sources.http import HttpFetcher
from backends.stores.base import Store
from components.configuration.json_values import MAX_BYTES
from components.engine.context import Engine, Limits
from components.engine.health import HealthCheck
from components.engine.loop.background import Background
from components.engine.loop.refreshing import Refresher
from components.http.documentation.document import setup_documentation
from components.http.errors import error_middleware
from components.http.identity.access import access_middleware
from components.http.identity.needs import NEEDS
from components.http.identity.origins import origin_middleware
from components.http.identity.subject import parse_name
from components.http.identity.unknown_tokens import UnknownTokens
from components.http.keys import (
    BACKGROUND,
    CALLER_SECRET,
    CURRENT_TLS,
    ENGINE,
    GATEWAYS,
    HEALTH,
    REFRESHER,
    ROUTE_NEEDS,
    SETTINGS,
    STOPPING,
    UNKNOWN_TOKENS,
)
from components.http.middlewares.budgets import budget_middleware
from components.http.middlewares.headers import add_headers, encoding_middleware, expect_continue
from components.http.middlewares.limits import deadline_middleware, parameters_middleware
from components.http.routes import configurations as config_routes
from components.http.routes import deployments as deploy_routes
from components.http.routes import events as event_routes
from components.http.routes import health as health_routes
from components.http.routes import logs as log_routes
from components.http.routes import retry_and_rollback as retry_routes
from components.http.routes import running as running_routes
from components.http.routes import tokens as token_routes
from components.http.server.connections import connection_middleware
from components.http.server.tls import CurrentTls
from components.http.toolforge import routes as toolforge_routes
from components.http.toolforge.documentation import SCHEMES as TOOLFORGE_SCHEMES
from components.http.toolforge.errors import toolforge_errors_middleware
from components.plugins import open_builder, open_members, open_runner, open_store
from components.settings import PREFIX, Settings, SettingsError, environment
from components.unknown_settings import unknown_settings

logger = logging.getLogger(__name__)


def create_app(
    settings: Settings,
    store: Store | None = None,
    builder: Builder | None = None,
    members: Members | None = None,
    runner: Runner | None = None,
) -> web.Application:
    """Return the application. Backends that are not given are opened as the settings say.

    The caller closes the backends that it gives. At startup the application raises
    `SettingsError` if a name or a setting of a backend is invalid.
    """
    app = _application(
        settings,
        *((toolforge_errors_middleware,) if settings.toolforge_api else ()),
        origin_middleware,
        access_middleware,
        parameters_middleware,
        validation_middleware,
        budget_middleware(settings),
    )
    app[GATEWAYS], app[CURRENT_TLS] = _gateways(settings), CurrentTls()
    app[UNKNOWN_TOKENS] = UnknownTokens(settings.reads_per_minute)
    app[CALLER_SECRET], app[ROUTE_NEEDS] = token_urlsafe(32), NEEDS

    async def engine(app: web.Application) -> AsyncIterator[None]:
        env = environment()
        async with AsyncExitStack() as stack:
            used_store, used_builder, used_members = store, builder, members
            used_runner = runner
            if used_store is None:
                used_store = await open_store(settings.store, env)
                stack.push_async_callback(used_store.close)
            if used_builder is None:
                used_builder = await open_builder(settings.builder, env)
                stack.push_async_callback(used_builder.close)
            if used_runner is None:
                used_runner = await open_runner(settings.runner, env)
                stack.push_async_callback(used_runner.close)
            if used_members is None:
                used_members = await open_members(settings.members, env)
                stack.push_async_callback(used_members.close)
            for line in unknown_settings(env):
                logger.warning(line)
            fetcher = HttpFetcher(partial(connector, private=settings.source_private))
            await fetcher.open()
            stack.push_async_callback(fetcher.close)
            engine = app[ENGINE] = _engine(
                settings, used_store, used_builder, used_runner, used_members, fetcher
            )
            stack.push_async_callback(engine.tasks.close)
            refresher = app[REFRESHER] = Refresher(engine)
            stack.push_async_callback(refresher.close)
            health = app[HEALTH] = HealthCheck(engine)
            stack.push_async_callback(health.close)
            background = app[BACKGROUND] = Background(engine, refresher, used_members)
            stack.push_async_callback(_cancel, asyncio.create_task(background.run()))
            yield

    app.cleanup_ctx.append(engine)
    _add_routes(app, config_routes.ROUTES)
    _add_routes(app, deploy_routes.ROUTES)
    _add_routes(app, retry_routes.ROUTES)
    _add_routes(app, event_routes.ROUTES)
    _add_routes(app, log_routes.ROUTES)
    _add_routes(app, running_routes.ROUTES)
    _add_routes(app, token_routes.ROUTES)
    if settings.probe_port is None:
        _add_routes(app, health_routes.ROUTES)
    if settings.toolforge_api:
        _add_routes(app, toolforge_routes.ROUTES)
    schemes = TOOLFORGE_SCHEMES if settings.toolforge_api else {}
    setup_documentation(app, settings.auth_header, schemes)
    return app


def _engine(
    settings: Settings,
    store: Store,
    builder: Builder,
    runner: Runner,
    members: Members,
    fetcher: Fetcher,
) -> Engine:
    launch = settings.launch_timeout
    return Engine(
        store,
        builder,
        deployments_kept=settings.deployments_kept,
        configs_kept=settings.configs_kept,
        max_running=settings.max_running,
        max_queued=settings.max_queued,
        # Half of the request timeout: the other half is for calls to the store.
        builder_timeout=settings.request_timeout / 2,
        limits=Limits(
            launch=timedelta(seconds=launch),
            build=timedelta(seconds=settings.build_timeout),
            run=timedelta(seconds=settings.run_timeout),
            deployment=timedelta(seconds=settings.deployment_timeout),
            settling=builder.settling,
            knows_keys=builder.knows_keys,
        ),
        instance=members.own,
        runner=runner,
        fetcher=fetcher,
    )


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait((task,))


def create_probe_app(app: web.Application) -> web.Application:
    """Return an application that serves the health checks of `app`, once `app` has started."""
    probe = _application(app[SETTINGS], parameters_middleware)
    probe[HEALTH], probe[BACKGROUND] = app[HEALTH], app[BACKGROUND]
    probe[STOPPING] = app[STOPPING]
    _add_routes(probe, health_routes.ROUTES)
    return probe


def _application(settings: Settings, *middlewares: Middleware) -> web.Application:
    """Return an application without routes, with the middlewares that all responses need."""
    app = web.Application(
        middlewares=[
            connection_middleware,
            error_middleware,
            deadline_middleware,
            encoding_middleware,
            *middlewares,
        ],
        client_max_size=MAX_BYTES,
    )
    app[SETTINGS], app[STOPPING] = settings, asyncio.Event()
    app.on_shutdown.append(_stop)
    app.on_response_prepare.append(add_headers)
    return app


def _add_routes(app: web.Application, routes: Iterable[web.RouteDef]) -> None:
    for each in routes:
        options = {**each.kwargs, "expect_handler": expect_continue}
        app.router.add_routes([web.RouteDef(each.method, each.path, each.handler, options)])


async def _stop(app: web.Application) -> None:
    app[STOPPING].set()


def _gateways(settings: Settings) -> tuple[Name, ...]:
    """Return the names of the gateways. Raises `SettingsError` if one is not a name."""
    try:
        return tuple(parse_name(each) for each in settings.gateway_subjects)
    except ValueError as error:
        raise SettingsError(f"{PREFIX}GATEWAY_SUBJECTS: {error}") from None
