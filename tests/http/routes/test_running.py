"""Running components over HTTP: deployed, listed, restarted, started and stopped."""

from typing import Any

import pytest

from backends.builders.simulated import SimulatedBuilder
from backends.runners.simulated import SimulatedRunner
from backends.stores.memory import MemoryStore
from components.http.app import create_app
from components.settings import Settings
from tests.factories import TOOL, component, configuration
from tests.http.conftest import CONFIG, DEPLOY, Client, Serve, data_of, errors_of, warnings

RUN = f"/api/v1/tool/{TOOL}/run"
CONFIGURATION = configuration(
    "web", site=component(port=8000, publish="/"), nightly=component(schedule="@daily")
)


@pytest.fixture
async def runs(serve: Serve) -> Client:
    """A service whose builds and runs take no time."""
    app = create_app(
        Settings(), MemoryStore(), SimulatedBuilder(0), runner=SimulatedRunner(run_seconds=0)
    )
    return await serve(app=app)


@pytest.fixture
async def deployed(runs: Client) -> Client:
    """The same, with a deployment that has finished."""
    await data_of(await runs.post(CONFIG, json=CONFIGURATION))
    assert (await ended(runs, await data_of(await runs.post(DEPLOY), 201)))["status"] == "FINISHED"
    return runs


async def ended(client: Client, deployment: dict[str, Any]) -> dict[str, Any]:
    """Return a deployment once it has ended."""
    path = f"{DEPLOY}/{deployment['deploy-id']}"
    while deployment["status"] not in ("FINISHED", "ERROR", "CANCELLED"):
        deployment = await data_of(await client.get(path, params={"wait": 30}))
    return deployment


async def test_a_deployment_shows_the_runs_of_its_components(deployed: Client) -> None:
    runs = (await data_of(await deployed.get(f"{DEPLOY}/latest")))["runs"]
    assert list(runs) == ["web", "site", "nightly"]
    assert runs["site"]["status"] == "FINISHED"
    assert (runs["site"]["action"], runs["site"]["ready"], runs["site"]["replicas"]) == (
        "start",
        1,
        1,
    )
    assert runs["site"]["url"] == f"http://{TOOL}.simulated.invalid/"


async def test_a_configuration_is_generated_from_what_runs(deployed: Client) -> None:
    answer = await deployed.get(f"{CONFIG}/generate")
    assert len(await warnings(answer)) == 1
    components = (await data_of(answer))["components"]
    assert {name: each["build"] for name, each in components.items()} == {
        name: each["build"] for name, each in CONFIGURATION["components"].items()
    }
    assert components["nightly"]["run"] == CONFIGURATION["components"]["nightly"]["run"]
    assert await data_of(await deployed.get(CONFIG)) == CONFIGURATION


async def test_a_new_deployment_shows_runs_that_wait_for_the_builds(runs: Client) -> None:
    await data_of(await runs.post(CONFIG, json=CONFIGURATION))
    created = await data_of(await runs.post(DEPLOY), 201)
    assert {(run["status"], run["action"]) for run in created["runs"].values()} == {
        ("PENDING", None)
    }


async def test_running_components_are_listed_with_their_deployment(deployed: Client) -> None:
    deploy_id = (await data_of(await deployed.get(f"{DEPLOY}/latest")))["deploy-id"]
    components = (await data_of(await deployed.get(RUN)))["components"]
    assert set(components) == {"web", "site", "nightly"}
    assert {each["deploy-id"] for each in components.values()} == {deploy_id}
    assert {each["health"] for each in components.values()} == {"healthy"}
    assert components["nightly"]["schedule"] == "@daily"
    assert components["nightly"]["next-time"]
    assert len(components["web"]["commit"]) == 40


async def test_responses_about_simulated_runs_have_a_warning(deployed: Client) -> None:
    assert any("simulated" in each for each in await warnings(await deployed.get(RUN)))


async def test_a_component_is_restarted(deployed: Client) -> None:
    before = (await data_of(await deployed.get(RUN)))["components"]["web"]
    after = (await data_of(await deployed.post(f"{RUN}/web/restart")))["components"]["web"]
    assert after["start-time"] > before["start-time"]


async def test_a_scheduled_component_is_not_restarted(deployed: Client) -> None:
    (error,) = await errors_of(await deployed.post(f"{RUN}/nightly/restart"), 409)
    assert "nightly" in error


async def test_a_scheduled_component_is_started_now(deployed: Client) -> None:
    await data_of(await deployed.post(f"{RUN}/nightly/start"))


async def test_a_component_is_stopped(deployed: Client) -> None:
    stopped = (await data_of(await deployed.delete(f"{RUN}/web")))["components"]
    assert list(stopped) == ["web"]
    assert set((await data_of(await deployed.get(RUN)))["components"]) == {"site", "nightly"}


async def test_all_components_are_stopped(deployed: Client) -> None:
    await data_of(await deployed.delete(RUN))
    assert (await data_of(await deployed.get(RUN)))["components"] == {}


async def test_an_unknown_component_is_not_found_with_a_suggestion(
    deployed: Client,
) -> None:
    (error,) = await errors_of(await deployed.delete(f"{RUN}/wep"), 404)
    assert "did you mean 'web'?" in error
    await errors_of(await deployed.post(f"{RUN}/wep/restart"), 404)


async def test_the_log_of_a_running_component_is_plain_text(deployed: Client) -> None:
    response = await deployed.get(f"{RUN}/web/log")
    assert response.content_type == "text/plain"
    assert "simulated run of web" in await response.text()
    await errors_of(await deployed.get(f"{RUN}/wep/log"), 404)


async def test_deleting_the_configuration_stops_nothing(deployed: Client) -> None:
    await data_of(await deployed.delete(CONFIG))
    assert set((await data_of(await deployed.get(RUN)))["components"]) == {"web", "site", "nightly"}


async def test_a_dry_run_returns_the_planned_runs(deployed: Client) -> None:
    changed = configuration("web", "new", site=component(port=8001, publish="/"))
    await data_of(await deployed.post(CONFIG, json=changed))
    planned = await data_of(await deployed.post(DEPLOY, json={"dry-run": True}))
    assert {name: each["action"] for name, each in planned["runs"].items()} == {
        "web": "leave",
        "new": "start",
        "site": "change",
        "nightly": "remove",
    }


async def test_after_a_failed_run_the_previous_version_runs_again(deployed: Client) -> None:
    crashing = {"components": CONFIGURATION["components"] | {"web": component()}}
    crashing["components"]["web"]["run"]["command"] = "simulate/crash"
    await data_of(await deployed.post(CONFIG, json=crashing))
    failed = await ended(deployed, await data_of(await deployed.post(DEPLOY), 201))
    assert (failed["status"], failed["message"]) == ("ERROR", "what ran before was put back")
    assert "exit code" in failed["runs"]["web"]["message"]
    running = (await data_of(await deployed.get(RUN)))["components"]
    assert running["web"]["health"] == "healthy"


async def test_without_a_runner_a_deployment_ends_with_its_builds(client: Client) -> None:
    await data_of(await client.post(CONFIG, json=configuration("web")))
    assert (await data_of(await client.post(DEPLOY), 201))["runs"] == {}
    assert (await data_of(await client.get(RUN)))["components"] == {}
    await errors_of(await client.post(f"{RUN}/web/restart"), 404)
