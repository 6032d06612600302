"""`components logs`, and the logs of failed builds at the end of a deployment."""

import json

import pytest
import yaml
from aiohttp import web
from pytest_aiohttp.plugin import AiohttpServer

from backends.builders.base import BuilderUnavailable, BuildStatus
from tests.builders.scripted import ScriptedBuilder
from tests.cli import fake_service
from tests.cli.conftest import Run
from tests.factories import configuration, reusing


@pytest.fixture
async def deployed(run: Run, builder: ScriptedBuilder) -> Run:
    """Create a deployment; return the command line."""
    text = yaml.safe_dump(configuration("web", "api", nightly=reusing("web")), sort_keys=False)
    assert (await run("config", "set", "-", stdin=text)).exit_code == 0
    assert (await run("deploy")).exit_code == 0
    builder.logs["build-1"] = [f"line {n}" for n in range(20)]
    builder.logs["build-2"] = ["cannot find main.py"]
    return run


async def test_a_log_is_printed(deployed: Run) -> None:
    result = await deployed("logs", "api")
    assert (result.exit_code, result.stdout) == (0, "cannot find main.py\n")


async def test_a_log_is_followed_to_its_end(deployed: Run, builder: ScriptedBuilder) -> None:
    builder.ended.set()
    result = await deployed("logs", "api", "--follow")
    assert result.stdout == "cannot find main.py\nended\n"


async def test_a_deployment_can_be_selected(deployed: Run) -> None:
    result = await deployed("logs", "api", "--deployment", "mytool-deploy-20240404120000-1")
    assert result.exit_code == 2
    assert "has no deployment 'mytool-deploy-20240404120000-1'" in result.stderr


async def test_an_unknown_component_is_an_error(deployed: Run) -> None:
    result = await deployed("logs", "wep")
    assert result.exit_code == 2
    assert "did you mean 'web'?" in result.stderr


async def test_a_log_as_json_is_a_list_of_lines(deployed: Run) -> None:
    result = await deployed("logs", "api", "--json")
    assert json.loads(result.stdout) == {"lines": ["cannot find main.py"]}


async def test_a_lost_connection_while_reading_a_log_is_reported(
    deployed: Run, builder: ScriptedBuilder
) -> None:
    builder.logs["build-2"].append(BuilderUnavailable("connection lost"))
    result = await deployed("logs", "api")
    assert result.exit_code == 2
    assert result.stdout == "cannot find main.py\n"
    assert "the connection to the service was lost" in result.stderr


async def test_a_log_cannot_control_the_terminal(deployed: Run, builder: ScriptedBuilder) -> None:
    builder.logs["build-2"] = ["\x1b[31mred\x1b[0m \x1b]0;title\x07 \x1b[2Jclear\x00"]
    result = await deployed("logs", "api")
    assert "\x1b" not in result.stdout
    assert "red" in result.stdout


async def test_a_deployment_that_failed_ends_with_the_last_lines_of_each_failed_build(
    deployed: Run, builder: ScriptedBuilder
) -> None:
    builder.becomes(BuildStatus.ERROR, "build-1")
    builder.becomes(BuildStatus.FINISHED, "build-2")
    result = await deployed("deployment", "show", "--follow")
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    start = lines.index("the last lines of the log of web:")
    assert lines[start + 1 :] == [*(f"  line {n}" for n in range(10, 20)), "ERROR"]
    assert "log of nightly" not in result.stdout


async def test_an_unavailable_log_does_not_hide_the_result(
    deployed: Run, builder: ScriptedBuilder
) -> None:
    builder.becomes(BuildStatus.ERROR)
    builder.logs.clear()
    result = await deployed("deployment", "show", "--follow")
    assert result.exit_code == 1
    assert "the log of web: there is no log of build-1" in result.stderr
    assert result.stdout.splitlines()[-1] == "ERROR"


async def test_a_very_long_line_is_split(run: Run, aiohttp_server: AiohttpServer) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        return web.Response(text="x" * 300_000 + "\nend")

    url = await fake_service.serve(aiohttp_server, handler)
    result = await run("logs", "web", COMPONENTS_URL=url)
    assert result.stdout.replace("\n", "") == "x" * 300_000 + "end"
    assert max(map(len, result.stdout.splitlines())) < 300_000
