"""Answers on the second face are as the published interface says, where that is at hand."""

import pytest
from aiohttp import ClientResponse

from backends.builders.base import BuilderUnavailable, BuildState, BuildStatus
from backends.runners.simulated import SimulatedRunner
from components.http.app import create_app
from components.settings import Settings
from tests.builders.scripted import ScriptedBuilder
from tests.conftest import HandClock
from tests.factories import component, configuration, reusing
from tests.http.conftest import Client, Serve
from tests.http.toolforge.conftest import CONFIG, DEPLOYMENT, NAMED, THEIRS
from tests.http.toolforge.published import FILE, Published
from tests.stores.counting import CountingStore

LATEST = f"{DEPLOYMENT}/latest"
TOKEN = f"{DEPLOYMENT}/token"
NOT_HERE = {("GET", "/metrics")}
"""What the service does not have; docs/toolforge.md says so."""


@pytest.fixture
def published() -> Published:
    if not FILE.exists():
        pytest.skip(f"{FILE.name} is not beside the checkout")
    return Published()


async def test_every_answer_has_the_published_form(
    published: Published, theirs: Client, builder: ScriptedBuilder
) -> None:
    async def send(method: str, path: str, status: int = 200, **options: object) -> None:
        response: ClientResponse = await theirs.request(method, path, **options)  # type: ignore[arg-type]
        assert response.status == status, await response.text()
        await published.check(response)

    await send("GET", "/v1/healthz")
    await send("GET", CONFIG, 404)
    await send("GET", f"{CONFIG}/generate")
    await send("GET", LATEST, 404)
    given = configuration("web", "api", nightly=component(schedule="@daily"), other=reusing("web"))
    await send("POST", CONFIG, 422, json={"components": {}})
    await send("POST", CONFIG, json=given | {"unknown": 1})
    await send("GET", CONFIG)
    builder.refusals["api"] = BuilderUnavailable("it is away")
    await send("POST", DEPLOYMENT, json={"description": "first"})
    await send("POST", f"{DEPLOYMENT}?force-run=perhaps", 422)
    await send("GET", DEPLOYMENT)
    await send("GET", LATEST)
    await send("PUT", f"{LATEST}/cancel")
    await send("POST", f"{DEPLOYMENT}?force-build=true")
    deploy_id = (await (await theirs.get(LATEST)).json())["data"]["deploy_id"]
    await send("GET", f"{DEPLOYMENT}/{deploy_id}")
    await send("PUT", f"{DEPLOYMENT}/{deploy_id}/cancel")
    await send("DELETE", f"{DEPLOYMENT}/{deploy_id}")
    await send("DELETE", f"{DEPLOYMENT}/{deploy_id}", 404)
    await send("DELETE", CONFIG)
    await send("GET", TOKEN, 404)
    for method in ("POST", "GET", "PUT"):
        await send(method, TOKEN)
    await send("POST", TOKEN, 409)
    await send("DELETE", TOKEN)
    assert published.operations - published.checked - NOT_HERE == set()


@pytest.mark.parametrize("status", BuildStatus)
async def test_every_state_of_a_deployment_has_the_published_form(
    published: Published,
    serve: Serve,
    store: CountingStore,
    builder: ScriptedBuilder,
    clock: HandClock,
    status: BuildStatus,
) -> None:
    settings = Settings(toolforge_api=True)
    app = create_app(settings, store, builder, runner=SimulatedRunner(0.0))
    client = await serve(NAMED, app=app)
    await client.post(CONFIG, json=configuration("web", worker=reusing("web")))
    created = await (await client.post(DEPLOYMENT)).json()
    build_id = created["data"]["builds"]["web"]["build_id"]
    builder.builds[build_id] = BuildState(build_id, status, "as told", image="i:1")
    for path in (DEPLOYMENT, f"{THEIRS}/deployment/{created['data']['deploy_id']}"):
        await published.check(await client.get(path))
