"""Deployments over HTTP."""

import re

import pytest

from backends.builders.base import BuilderUnavailable, BuildRejected, BuildStatus, NoFreeSlot
from backends.builders.simulated import FAILING_REF, SimulatedBuilder
from backends.stores.base import Conflict, NotFound, Rejected, Unavailable
from tests.builders.scripted import ScriptedBuilder
from tests.conftest import HandClock
from tests.factories import TOOL, component, configuration, reusing
from tests.http.conftest import CONFIG, DEPLOY, Client, Serve, data_of, errors_of, warnings
from tests.stores.counting import CountingStore


@pytest.fixture
async def configured(client: Client) -> Client:
    """The service with a configuration of two components, one reusing the other's build."""
    await client.post(CONFIG, json=configuration("web", nightly=reusing("web")))
    return client


async def test_a_deployment_needs_a_configuration(client: Client) -> None:
    (error,) = await errors_of(await client.post(DEPLOY), 404)
    assert "store a configuration first" in error


async def test_a_deployment_is_created_with_its_location(configured: Client) -> None:
    response = await configured.post(DEPLOY)
    data = await data_of(response, 201)
    assert re.fullmatch(rf"{TOOL}-deploy-20240404120000-\d+", data["deploy-id"])
    assert response.headers["Location"] == f"{DEPLOY}/{data['deploy-id']}"
    build = {
        "build-id": "build-1",
        "status": "PENDING",
        "message": "",
        "image": None,
        "digest": None,
        "commit": None,
        "start-time": None,
        "end-time": None,
        "reused-from": None,
    }
    assert data == {
        "deploy-id": data["deploy-id"],
        "creation-time": "2024-04-04T12:00:00.000000Z",
        "status": "RUNNING",
        "message": "",
        "description": "",
        "builds": {"web": build, "nightly": build | {"message": "reuses the build of 'web'"}},
        "runs": {},
    }
    assert list(data["builds"]) == ["web", "nightly"]


@pytest.mark.parametrize("which", ["its id", "latest"])
async def test_a_deployment_is_updated_when_it_is_read(
    configured: Client, builder: ScriptedBuilder, which: str
) -> None:
    created = await data_of(await configured.post(DEPLOY), 201)
    builder.becomes(BuildStatus.FINISHED, image="registry.example.org/web:1")
    path = f"{DEPLOY}/{created['deploy-id'] if which == 'its id' else which}"
    data = await data_of(await configured.get(path))
    assert data["status"] == "FINISHED"
    assert data["builds"]["nightly"]["image"] == "registry.example.org/web:1"


async def test_the_list_of_deployments_is_newest_first_and_as_stored(
    configured: Client, builder: ScriptedBuilder, clock: HandClock
) -> None:
    first = await data_of(await configured.post(DEPLOY), 201)
    clock.turn(1)
    second = await data_of(await configured.post(DEPLOY), 201)
    builder.becomes(BuildStatus.FINISHED)
    data = await data_of(await configured.get(DEPLOY))
    assert data == {"deployments": [second, first]}


async def test_a_tool_without_deployments_has_an_empty_list(client: Client) -> None:
    assert await data_of(await client.get(DEPLOY)) == {"deployments": []}


@pytest.mark.parametrize("deploy_id", ["latest", "mytool-deploy-20240404120000-1", "x", "a%2Fb"])
async def test_an_unknown_deployment_is_not_found(client: Client, deploy_id: str) -> None:
    await errors_of(await client.get(f"{DEPLOY}/{deploy_id}"), 404)


async def test_a_rejected_build_is_an_error_message_with_status_201(
    configured: Client, builder: ScriptedBuilder
) -> None:
    builder.refusals["web"] = BuildRejected("the repository does not exist")
    response = await configured.post(DEPLOY)
    data = await data_of(response, 201)
    assert data["status"] == "ERROR"
    assert data["builds"]["web"]["message"] == "the repository does not exist"
    body = await response.json()
    assert body["messages"]["error"] == ["web: the repository does not exist"]


@pytest.mark.parametrize("refusal", [NoFreeSlot("full"), BuilderUnavailable("refused")])
async def test_a_waiting_build_is_a_warning(
    configured: Client, builder: ScriptedBuilder, refusal: Exception
) -> None:
    builder.refusals["web"] = refusal
    response = await configured.post(DEPLOY)
    assert (await data_of(response, 201))["status"] == "PENDING"
    (warning,) = await warnings(response)
    assert warning.startswith("web: waits for")


async def test_if_the_builder_does_not_respond_the_stored_state_is_returned_with_a_warning(
    configured: Client, builder: ScriptedBuilder
) -> None:
    created = await data_of(await configured.post(DEPLOY), 201)
    builder.outage = BuilderUnavailable("connection refused")
    response = await configured.get(f"{DEPLOY}/latest")
    assert await data_of(response) == created
    assert "connection refused" in (await warnings(response))[0]


async def test_every_response_about_simulated_builds_has_a_warning(
    serve: Serve, clock: HandClock
) -> None:
    client = await serve(using=SimulatedBuilder(2, clock))
    await client.post(CONFIG, json=configuration())
    for response in (
        await client.post(DEPLOY),
        await client.get(DEPLOY),
        await client.get(f"{DEPLOY}/latest"),
    ):
        assert "builds are simulated" in (await warnings(response))[0]


async def test_simulated_builds_can_be_cancelled(serve: Serve, clock: HandClock) -> None:
    client = await serve(using=SimulatedBuilder(2, clock))
    await client.post(CONFIG, json=configuration("web", "api"))
    await client.post(DEPLOY)
    data = await data_of(await client.put(f"{DEPLOY}/latest/cancel"))
    assert data["status"] == "CANCELLED"
    assert {each["status"] for each in data["builds"].values()} == {"CANCELLED"}


async def test_a_simulated_build_can_fail(serve: Serve, clock: HandClock) -> None:
    client = await serve(using=SimulatedBuilder(2, clock))
    failing = {"build": {**component()["build"], "ref": FAILING_REF}, "run": {"command": "start"}}
    await client.post(CONFIG, json=configuration("web", api=failing))
    created = await data_of(await client.post(DEPLOY), 201)
    clock.turn(2)
    data = await data_of(await client.get(f"{DEPLOY}/{created['deploy-id']}?wait=10"))
    assert data["status"] == "ERROR"
    assert {name: each["status"] for name, each in data["builds"].items()} == {
        "web": "FINISHED",
        "api": "ERROR",
    }


async def test_old_deployments_are_pruned(
    serve: Serve, builder: ScriptedBuilder, clock: HandClock
) -> None:
    client = await serve(deployments_kept=2)
    builder.refusals["web"] = BuildRejected("no such ref")
    await client.post(CONFIG, json=configuration())
    ids = []
    for _ in range(4):
        clock.turn(1)
        ids.append((await data_of(await client.post(DEPLOY), 201))["deploy-id"])
    data = await data_of(await client.get(DEPLOY))
    assert [each["deploy-id"] for each in data["deployments"]] == ids[:1:-1]


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        (Unavailable("connection refused"), 503, "connection refused"),
        (Rejected("exceeded quota: 100 secrets"), 409, "exceeded quota: 100 secrets"),
        (NotFound(TOOL, "deployment", "x"), 404, "there is no tool 'mytool' here"),
    ],
)
async def test_errors_of_the_store_are_reported(
    configured: Client, store: CountingStore, error: Exception, status: int, message: str
) -> None:
    async def fail() -> None:
        raise error

    store.before["create"] = fail
    response = await configured.post(DEPLOY)
    assert message in (await errors_of(response, status))[0]
    assert ("Retry-After" in response.headers) == (status == 503)


async def test_repeated_conflicts_are_a_503_with_retry_after(
    configured: Client, store: CountingStore
) -> None:
    async def conflict() -> None:
        store.before["replace"] = conflict
        raise Conflict(TOOL, "deployment", "x")

    await data_of(await configured.post(DEPLOY), 201)
    store.before["replace"] = conflict
    response = await configured.put(f"{DEPLOY}/latest/cancel")
    assert "try again" in (await errors_of(response, 503))[0]
    assert response.headers["Retry-After"]
