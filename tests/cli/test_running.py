"""`components status`, `restart`, `start`, `stop` and `logs --running`."""

import json

import pytest
import yaml
from aiohttp import web
from pytest_aiohttp.plugin import AiohttpServer

from backends.builders.simulated import SimulatedBuilder
from backends.runners.simulated import SimulatedRunner
from backends.stores.memory import MemoryStore
from components.http.app import create_app
from components.settings import Settings
from tests.cli.conftest import Run
from tests.factories import TOOL, component, configuration


@pytest.fixture
async def url(aiohttp_server: AiohttpServer) -> str:
    """Return the URL of a service whose builds and runs take no time."""
    runner = SimulatedRunner(run_seconds=0)
    app = create_app(Settings(), MemoryStore(), SimulatedBuilder(0), runner=runner)
    return str((await aiohttp_server(app)).make_url("/"))


@pytest.fixture
async def deployed(run: Run) -> Run:
    """Return the command line, after a deployment of three components has finished."""
    text = yaml.safe_dump(configuration("web", "worker", nightly=component(schedule="@daily")))
    assert (await run("config", "set", "-", stdin=text)).exit_code == 0
    result = await run("deploy", "--follow")
    assert result.exit_code == 0, result.stderr
    assert "web (run)" in result.stdout
    return run


async def test_status_shows_what_runs_and_the_latest_deployment(deployed: Run) -> None:
    result = await deployed("status")
    lines = result.stdout.splitlines()
    assert [line.split()[:2] for line in lines[1:4]] == [
        [name, "healthy"] for name in ("nightly", "web", "worker")
    ]
    assert "next at " in lines[1]
    assert lines[4].startswith(f"latest deployment {TOOL}-deploy-")
    assert lines[4].endswith(": FINISHED")


async def test_what_is_generated_from_what_runs_can_be_set(deployed: Run) -> None:
    generated = await deployed("config", "generate")
    assert generated.exit_code == 0
    assert "double check and validate" in generated.stderr
    assert yaml.safe_load(generated.stdout)["components"].keys() == {"web", "worker", "nightly"}
    result = await deployed("config", "set", "-", stdin=generated.stdout)
    assert (result.exit_code, result.stderr) == (0, "")
    assert (await deployed("deploy", "--dry-run", "--json")).exit_code == 0


async def test_where_nothing_runs_a_sample_is_generated_that_can_be_set(run: Run) -> None:
    generated = await run("config", "generate")
    assert "a sample set of them is returned instead" in generated.stderr
    result = await run("config", "set", "-", stdin=generated.stdout)
    assert (result.exit_code, result.stderr) == (0, "")


async def test_status_as_json_has_both(deployed: Run) -> None:
    data = json.loads((await deployed("status", "--json")).stdout)
    assert set(data["components"]) == {"web", "worker", "nightly"}
    assert data["deployment"]["status"] == "FINISHED"


async def test_status_of_a_tool_without_deployments_says_that_nothing_runs(run: Run) -> None:
    result = await run("status")
    assert (result.exit_code, result.stdout) == (0, f"nothing of {TOOL} runs\n")


async def test_a_component_is_restarted(deployed: Run) -> None:
    result = await deployed("restart", "web")
    assert (result.exit_code, result.stdout) == (0, "restarts web\n")


async def test_a_scheduled_component_is_started(deployed: Run) -> None:
    result = await deployed("start", "nightly")
    assert (result.exit_code, result.stdout) == (0, "started nightly\n")


async def test_a_component_is_stopped(deployed: Run) -> None:
    assert (await deployed("stop", "web")).stdout == "stopped web\n"
    assert "web" not in json.loads((await deployed("status", "--json")).stdout)["components"]


async def test_all_are_stopped_only_if_that_is_asked_for(deployed: Run) -> None:
    assert (await deployed("stop")).exit_code == 2
    assert (await deployed("stop", "web", "--all")).exit_code == 2
    assert (await deployed("stop", "--all")).stdout == "stopped nightly, web, worker\n"


async def test_logs_of_several_components_name_each_line(deployed: Run) -> None:
    lines = (await deployed("logs", "--running", "web", "worker")).stdout.splitlines()
    assert {line.partition(" | ")[0] for line in lines} == {"web   ", "worker"}
    assert "web    | simulated run of web: started" in lines


async def test_logs_of_one_component_are_its_lines(deployed: Run) -> None:
    result = await deployed("logs", "--running", "web")
    assert result.stdout.splitlines()[0] == "simulated run of web: started"


async def test_logs_without_a_name_are_of_all_that_run(deployed: Run) -> None:
    data = json.loads((await deployed("logs", "--running", "--json")).stdout)
    assert set(data["components"]) == {"web", "worker", "nightly"}


async def test_a_log_that_cannot_be_read_is_reported_beside_the_others(deployed: Run) -> None:
    result = await deployed("logs", "--running", "web", "wep")
    assert result.exit_code == 0
    assert "web | simulated run of web: started" in result.stdout
    assert "the log of wep: " in result.stderr


async def test_a_log_of_a_build_takes_one_component(deployed: Run) -> None:
    assert (await deployed("logs", "web", "worker")).exit_code == 2
    assert (await deployed("logs")).exit_code == 2


async def test_log_lines_cannot_control_the_terminal(
    run: Run, aiohttp_server: AiohttpServer
) -> None:
    async def log(request: web.Request) -> web.Response:
        return web.Response(text="\x1b]0;title\x07red\n")

    app = web.Application()
    app.router.add_get("/api/v1/tool/{tool}/run/{component}/log", log)
    server = await aiohttp_server(app)
    result = await run("logs", "--running", "a", "b", COMPONENTS_URL=str(server.make_url("/")))
    assert sorted(result.stdout.splitlines()) == ["a | red", "b | red"]
