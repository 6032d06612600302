"""Every route with every kind of caller, against one table."""

import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from components.engine.configurations.operations import set_configuration
from components.engine.context import Engine
from components.engine.tokens.deploy_token import create_deploy_token
from components.engine.tokens.documents import Scope
from components.engine.tokens.operations import create_token, revoke_token
from components.http.app import create_app
from components.http.identity.identification import TOOL_HEADER
from components.http.keys import ENGINE
from components.settings import Settings
from tests.builders.scripted import ScriptedBuilder
from tests.conftest import HandClock
from tests.factories import TOOL, configuration
from tests.http.conftest import HEADER, Listen
from tests.http.server.test_tls import GATEWAY
from tests.http.server.tls_files import Files
from tests.stores.counting import CountingStore

TABLE = {
    "GET /docs": "public",
    "GET /docs/": "public",
    "GET /docs/static/{name}": "public",
    "GET /healthz": "public",
    "GET /openapi.json": "public",
    "GET /readyz": "public",
    "GET /api/v1/tool/{toolname}/config": "read",
    "POST /api/v1/tool/{toolname}/config": "manage",
    "DELETE /api/v1/tool/{toolname}/config": "manage",
    "GET /api/v1/tool/{toolname}/config/history": "read",
    "GET /api/v1/tool/{toolname}/config/generate": "read",
    "POST /api/v1/tool/{toolname}/deploy": "create",
    "GET /api/v1/tool/{toolname}/deploy": "see",
    "GET /api/v1/tool/{toolname}/deploy/{deploy_id}": "see",
    "DELETE /api/v1/tool/{toolname}/deploy/{deploy_id}": "manage",
    "PUT /api/v1/tool/{toolname}/deploy/{deploy_id}/cancel": "steer",
    "POST /api/v1/tool/{toolname}/deploy/{deploy_id}/retry": "steer",
    "POST /api/v1/tool/{toolname}/deploy/{deploy_id}/rollback": "steer",
    "GET /api/v1/tool/{toolname}/deploy/{deploy_id}/events": "see",
    "GET /api/v1/tool/{toolname}/deploy/{deploy_id}/builds/{component}/log": "see",
    "GET /api/v1/tool/{toolname}/run": "read",
    "DELETE /api/v1/tool/{toolname}/run": "manage",
    "DELETE /api/v1/tool/{toolname}/run/{component}": "manage",
    "GET /api/v1/tool/{toolname}/run/{component}/log": "read",
    "POST /api/v1/tool/{toolname}/run/{component}/restart": "manage",
    "POST /api/v1/tool/{toolname}/run/{component}/start": "manage",
    "GET /api/v1/tool/{toolname}/tokens": "manage",
    "POST /api/v1/tool/{toolname}/tokens": "manage",
    "DELETE /api/v1/tool/{toolname}/tokens/{name}": "manage",
    "GET /v1/healthz": "public",
    "GET /v1/tool/{toolname}/config": "read",
    "GET /v1/tool/{toolname}/config/generate": "read",
    "POST /v1/tool/{toolname}/config": "manage",
    "DELETE /v1/tool/{toolname}/config": "manage",
    "POST /v1/tool/{toolname}/deployment": "create",
    "GET /v1/tool/{toolname}/deployment": "see",
    "GET /v1/tool/{toolname}/deployment/latest": "see",
    "GET /v1/tool/{toolname}/deployment/{deploy_id}": "see",
    "DELETE /v1/tool/{toolname}/deployment/{deploy_id}": "manage",
    "PUT /v1/tool/{toolname}/deployment/latest/cancel": "steer",
    "PUT /v1/tool/{toolname}/deployment/{deploy_id}/cancel": "steer",
    "GET /v1/tool/{toolname}/deployment/token": "manage",
    "POST /v1/tool/{toolname}/deployment/token": "manage",
    "PUT /v1/tool/{toolname}/deployment/token": "manage",
    "DELETE /v1/tool/{toolname}/deployment/token": "manage",
}
"""What each route needs. HEAD is as GET."""

ALL = frozenset({"see", "read", "create", "steer", "manage"})
READS, DEPLOYS = frozenset({"see", "read"}), frozenset({"create", "steer"})
BY_URL = frozenset({"see", "create"})
NOTHING = frozenset[str]()

SUBJECT, OTHER_SUBJECT = {HEADER: "CN=mytool,O=toolforge"}, {HEADER: "CN=other,O=toolforge"}
NAMED, OTHER_NAMED = {TOOL_HEADER: "mytool"}, {TOOL_HEADER: "other"}

Credential = Callable[[Engine, HandClock], Awaitable[dict[str, str]]]


@dataclass(frozen=True)
class Expected:
    """What a caller is let in for on a face, and the status of all else."""

    may: frozenset[str]
    refused: int


@dataclass(frozen=True)
class Sender:
    """How a caller connects, what it sends, and what is expected on each face.

    `by` is `here`, `elsewhere`, or the common name and organization of a certificate.
    """

    own: Expected
    theirs: Expected
    headers: dict[str, str] = field(default_factory=dict)
    by: str | tuple[str, str] = "here"
    bearer: Credential | None = None
    query: Credential | None = None


def token(*scopes: Scope, tool: str = TOOL, limited: bool = False, ends: str = "") -> Credential:
    """A token of ours with these scopes; `ends` says how it came to its end."""

    async def make(engine: Engine, clock: HandClock) -> dict[str, str]:
        components = ["web"] if limited else None
        made = await create_token(engine, tool, "ci", scopes, components, days=1)
        if ends == "expired":
            clock.time += timedelta(days=1)
        if ends == "revoked":
            await revoke_token(engine, tool, "ci")
        return {"Authorization": f"Bearer {made.text}"}

    return make


def deploy_token(*, tool: str = TOOL, expired: bool = False) -> Credential:
    """A deploy token for the query of the second face."""

    async def make(engine: Engine, clock: HandClock) -> dict[str, str]:
        made = await create_deploy_token(engine, tool)
        if expired:
            clock.time += timedelta(days=365)
        return {"token": made.text}

    return make


async def guessed(engine: Engine, clock: HandClock) -> dict[str, str]:
    await create_deploy_token(engine, TOOL)
    return {"token": "00000000-0000-4000-8000-000000000000"}


UNKNOWN, FORBIDDEN, IN = Expected(NOTHING, 401), Expected(NOTHING, 403), Expected(ALL, 0)
CERTIFICATE, OTHER_CERTIFICATE = ("mytool", "toolforge"), ("other", "toolforge")
STRANGE_CERTIFICATE, GATE = ("mytool", "elsewhere"), ("gateway", "platform")
READ, DEPLOY = Scope.READ, Scope.DEPLOY

SENDERS = {
    "nobody": Sender(UNKNOWN, UNKNOWN),
    "the tool by its subject": Sender(IN, UNKNOWN, SUBJECT),
    "another tool by its subject": Sender(FORBIDDEN, UNKNOWN, OTHER_SUBJECT),
    "the tool by its name": Sender(UNKNOWN, IN, NAMED),
    "another tool by its name": Sender(UNKNOWN, FORBIDDEN, OTHER_NAMED),
    "two tools": Sender(IN, FORBIDDEN, SUBJECT | OTHER_NAMED),
    "a stranger with both headers": Sender(UNKNOWN, UNKNOWN, SUBJECT | NAMED, "elsewhere"),
    "the tool by its certificate": Sender(IN, IN, OTHER_SUBJECT | OTHER_NAMED, CERTIFICATE),
    "another certificate": Sender(FORBIDDEN, FORBIDDEN, SUBJECT | NAMED, OTHER_CERTIFICATE),
    "a certificate from elsewhere": Sender(FORBIDDEN, FORBIDDEN, {}, STRANGE_CERTIFICATE),
    "a gateway without headers": Sender(UNKNOWN, UNKNOWN, {}, GATE),
    "a gateway with a subject": Sender(IN, UNKNOWN, SUBJECT, GATE),
    "a gateway with the tool": Sender(UNKNOWN, IN, NAMED, GATE),
    "a gateway with another tool": Sender(UNKNOWN, FORBIDDEN, OTHER_NAMED, GATE),
    "a token that reads": Sender(Expected(READS, 403), UNKNOWN, bearer=token(READ)),
    "a token that deploys": Sender(Expected(DEPLOYS, 403), UNKNOWN, bearer=token(DEPLOY)),
    "a token with both scopes": Sender(
        Expected(READS | DEPLOYS, 403), UNKNOWN, bearer=token(READ, DEPLOY)
    ),
    "a token for some components": Sender(
        Expected(READS | DEPLOYS, 403), UNKNOWN, bearer=token(READ, DEPLOY, limited=True)
    ),
    "an expired token": Sender(UNKNOWN, UNKNOWN, bearer=token(READ, DEPLOY, ends="expired")),
    "a revoked token": Sender(UNKNOWN, UNKNOWN, bearer=token(READ, DEPLOY, ends="revoked")),
    "a token of another tool": Sender(UNKNOWN, UNKNOWN, bearer=token(READ, DEPLOY, tool="other")),
    "a token beside a subject": Sender(UNKNOWN, UNKNOWN, SUBJECT, bearer=token(READ)),
    "a token from elsewhere": Sender(
        Expected(READS, 403), UNKNOWN, NAMED, "elsewhere", bearer=token(READ)
    ),
    "a token through a gateway": Sender(
        Expected(READS, 403), UNKNOWN, {}, GATE, bearer=token(READ)
    ),
    "a token beside the tool's certificate": Sender(
        Expected(READS, 403), IN, {}, CERTIFICATE, bearer=token(READ)
    ),
    "a deploy token": Sender(UNKNOWN, Expected(BY_URL, 403), query=deploy_token()),
    "a deploy token from elsewhere": Sender(
        UNKNOWN, Expected(BY_URL, 403), OTHER_NAMED, "elsewhere", query=deploy_token()
    ),
    "a deploy token through a gateway": Sender(
        UNKNOWN, Expected(BY_URL, 403), {}, GATE, query=deploy_token()
    ),
    "a deploy token beside a subject": Sender(
        IN, Expected(BY_URL, 403), SUBJECT, query=deploy_token()
    ),
    "an expired deploy token": Sender(UNKNOWN, UNKNOWN, query=deploy_token(expired=True)),
    "a deploy token of another tool": Sender(UNKNOWN, UNKNOWN, query=deploy_token(tool="other")),
    "a guessed deploy token": Sender(UNKNOWN, UNKNOWN, query=guessed),
}


def routes(app: web.Application) -> list[tuple[str, str]]:
    """Return the method and the path of every route."""
    return [
        (each.method, each.resource.canonical)
        for each in app.router.routes()
        if each.resource is not None
    ]


def key_of(method: str, path: str) -> str:
    """Return the row of a route in the table."""
    return f"{'GET' if method == 'HEAD' else method} {path}"


def test_the_table_has_exactly_the_routes_that_there_are() -> None:
    found = {key_of(*each) for each in routes(create_app(Settings(toolforge_api=True)))}
    assert found == TABLE.keys()


def test_without_the_setting_there_is_no_second_face() -> None:
    found = {key_of(*each) for each in routes(create_app(Settings()))}
    assert found == {each for each in TABLE if " /v1/" not in each}


@web.middleware
async def from_elsewhere(request: web.Request, handler: Any) -> web.StreamResponse:
    """Treat a request as one from another machine; the test has no other machine."""
    answer: web.StreamResponse = await handler(request.clone(remote="192.0.2.1"))
    return answer


@pytest.mark.parametrize("name", SENDERS)
async def test_a_caller_is_let_in_only_where_the_table_says_so(
    listen: Listen,
    files: Files,
    store: CountingStore,
    builder: ScriptedBuilder,
    clock: HandClock,
    name: str,
) -> None:
    sender, context = SENDERS[name], None
    settings = Settings(port=0)
    if isinstance(sender.by, tuple):
        settings = files.settings(gateway_subjects=(GATEWAY,))
        context = files.client(*sender.by)
    limits = {"toolforge_api": True, "reads_per_minute": 0, "writes_per_minute": 0}
    app = create_app(Settings(**vars(settings) | limits), store, builder)
    if sender.by == "elsewhere":
        app.middlewares.insert(1, from_elsewhere)
    _, url = await listen(settings, app)
    await set_configuration(app[ENGINE], TOOL, configuration("web", "cron"))
    bearer = await sender.bearer(app[ENGINE], clock) if sender.bearer else {}
    query = await sender.query(app[ENGINE], clock) if sender.query else {}
    wrong = {}
    async with aiohttp.ClientSession(headers=sender.headers | bearer) as session:
        for method, path in routes(app):
            status = await status_of(session, method, f"{url}{filled(path)}", query, context)
            expected = sender.theirs if path.startswith("/v1/") else sender.own
            need = TABLE[key_of(method, path)]
            let_in = need == "public" or need in expected.may
            if (status in (401, 403)) is let_in or not (let_in or status == expected.refused):
                wrong[f"{method} {path}"] = status
    assert wrong == {}


def filled(path: str) -> str:
    """Return a path with a value for each placeholder: of things that do not exist."""
    return path.format(toolname=TOOL, deploy_id=f"{TOOL}-deploy-1", component="web", name="none")


async def status_of(
    session: aiohttp.ClientSession,
    method: str,
    url: str,
    query: dict[str, str],
    context: ssl.SSLContext | None,
) -> int:
    body = {"components": ["web"]} if method == "POST" and url.endswith("/deploy") else None
    async with session.request(
        method, url, params=query, json=body, ssl=context or True
    ) as response:
        return response.status
