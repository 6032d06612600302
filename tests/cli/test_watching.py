"""Options, summaries and exit codes, as scripts use them."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from pytest_aiohttp.plugin import AiohttpServer

from backends.builders.base import BuildRejected, BuildStatus
from components.cli.deployments import DESCRIPTION_LENGTH
from components.http.requests import deploy_requests as wishes
from tests.builders.scripted import ScriptedBuilder
from tests.cli import fake_service
from tests.cli.conftest import Run
from tests.factories import configuration, reusing


@pytest.fixture
async def configured(run: Run) -> Run:
    """Store a configuration; return the command line."""
    text = yaml.safe_dump(configuration("web", "api", nightly=reusing("web")), sort_keys=False)
    assert (await run("config", "set", "-", stdin=text)).exit_code == 0
    return run


def ends(builder: ScriptedBuilder, status: BuildStatus) -> None:
    builder.before_answers = [lambda: builder.becomes(status, image="i:1")] * 3


@pytest.mark.parametrize(
    ("status", "code"),
    [(BuildStatus.FINISHED, 0), (BuildStatus.ERROR, 1), (BuildStatus.CANCELLED, 1)],
)
async def test_waiting_prints_one_line_and_exits_according_to_the_status(
    configured: Run, builder: ScriptedBuilder, status: BuildStatus, code: int
) -> None:
    ends(builder, status)
    result = await configured("deploy", "--wait")
    assert result.exit_code == code
    (line,) = result.stdout.splitlines()
    assert line.startswith(f"{status} mytool-deploy-20240404120000-")


async def test_the_line_lists_what_failed(configured: Run, builder: ScriptedBuilder) -> None:
    builder.refusals["api"] = BuildRejected("no such ref\nand more")
    ends(builder, BuildStatus.FINISHED)
    result = await configured("deploy", "--wait")
    (line,) = result.stdout.splitlines()
    assert "; 2 of 3 builds finished in " in line
    assert line.endswith("; api: no such ref")


@pytest.mark.parametrize("how", ["--wait", "--follow"])
async def test_an_expired_timeout_has_exit_code_3(configured: Run, how: str) -> None:
    result = await configured("deploy", how, "--timeout", "0.3")
    assert result.exit_code == 3
    assert "RUNNING" in result.stdout.splitlines()[-1]


async def test_a_timeout_without_follow_or_wait_is_a_usage_error(configured: Run) -> None:
    result = await configured("deploy", "--timeout", "5")
    assert result.exit_code == 2
    assert "--timeout needs --follow or --wait" in result.stderr
    assert (await configured("deploy", "--wait", "--timeout", "0")).exit_code == 2


async def test_waiting_with_json_prints_only_the_last_response(
    configured: Run, builder: ScriptedBuilder
) -> None:
    ends(builder, BuildStatus.FINISHED)
    result = await configured("deploy", "--wait", "--json")
    assert json.loads(result.stdout)["status"] == "FINISHED"


async def test_selected_components_can_be_deployed_with_a_description(
    configured: Run, builder: ScriptedBuilder
) -> None:
    result = await configured("deploy", "nightly", "--description", "the fix", "--json")
    data = json.loads(result.stdout)
    assert list(data["builds"]) == ["web", "nightly"]
    assert data["description"] == "the fix"


async def test_a_dry_run_shows_the_planned_actions(
    configured: Run, builder: ScriptedBuilder
) -> None:
    builder.commits["main"] = "1" * 40
    result = await configured("deploy", "--dry-run")
    assert result.exit_code == 0
    heading, *lines = result.stdout.splitlines()
    assert heading.split() == ["COMPONENT", "ACTION", "COMMIT", "WHY"]
    assert [line.split()[:3] for line in lines] == [
        ["web", "build", "1" * 12],
        ["api", "build", "1" * 12],
        ["nightly", "reuse", "1" * 12],
    ]
    assert "nothing was stored" in result.stderr
    assert (await configured("deployment", "list")).stdout == "mytool has no deployments\n"
    as_json = json.loads((await configured("deploy", "--dry-run", "--json")).stdout)
    assert as_json["builds"]["web"]["action"] == "build"


async def test_a_failed_deployment_can_be_retried_and_a_finished_one_rolled_back_to(
    configured: Run, builder: ScriptedBuilder
) -> None:
    ends(builder, BuildStatus.ERROR)
    assert (await configured("deploy", "--wait")).exit_code == 1
    ends(builder, BuildStatus.FINISHED)
    retried = await configured("deployment", "retry", "--wait", "--json")
    assert retried.exit_code == 0
    deploy_id = json.loads(retried.stdout)["deploy-id"]
    builder.requests.clear()
    back = await configured("deployment", "rollback", deploy_id, "--description", "back")
    assert (back.exit_code, back.stdout.splitlines()[-1]) == (0, "FINISHED")
    assert builder.requests == []
    assert (await configured("deployment", "rollback")).exit_code == 2


async def test_an_idempotency_key_makes_a_command_repeatable(configured: Run) -> None:
    ids = [
        json.loads((await configured("deploy", "--idempotency-key", "one", "--json")).stdout)
        for _ in range(2)
    ]
    assert ids[0]["deploy-id"] == ids[1]["deploy-id"]


async def shown(run: Run, server: AiohttpServer, data: Any, *command: str) -> str:
    """Return the output of a command if the service responds with `data`."""
    url = await fake_service.serve(server, fake_service.in_turn(fake_service.answer(data)))
    return (await run(*command, COMPONENTS_URL=url)).stdout


async def test_the_duration_of_an_old_deployment_ends_with_its_last_build(
    run: Run, aiohttp_server: AiohttpServer
) -> None:
    later = fake_service.build("FINISHED", **{"end-time": "2024-04-04T12:02:03.000000Z"})
    data = fake_service.deployment("FINISHED", web=fake_service.build("FINISHED"), worker=later)
    output = await shown(run, aiohttp_server, data, "deployment", "show", "--wait")
    assert output.endswith("; 2 of 2 builds finished in 2m03s\n")


async def test_a_reused_build_has_no_duration(run: Run, aiohttp_server: AiohttpServer) -> None:
    earlier = {"reused-from": "mytool-deploy-20240404110000-1", "end-time": "2024-04-04T11:00:00Z"}
    reused = fake_service.build("FINISHED", **earlier)
    data = fake_service.deployment("FINISHED", web=reused)
    output = await shown(run, aiohttp_server, data, "deployment", "show")
    assert output.splitlines()[1].split() == ["web", "FINISHED", "reused"]
    output = await shown(run, aiohttp_server, data, "deployment", "show", "--wait")
    assert output.endswith("; 1 of 1 builds finished\n")
    data = fake_service.deployment("FINISHED", web=reused, worker=fake_service.build("FINISHED"))
    output = await shown(run, aiohttp_server, data, "deployment", "show", "--wait")
    assert output.endswith("; 2 of 2 builds finished in 1m05s\n")


async def test_a_request_to_a_busy_service_is_retried_later(
    run: Run, aiohttp_server: AiohttpServer
) -> None:
    busy = fake_service.answer(None, 429, error=["too many requests wait for this tool"])
    busy.headers["Retry-After"] = "1"
    ends = fake_service.answer(
        fake_service.deployment("FINISHED", web=fake_service.build("FINISHED"))
    )
    running = fake_service.answer(fake_service.deployment(web=fake_service.build()))
    url = await fake_service.serve(aiohttp_server, fake_service.in_turn(running, busy, busy, ends))
    result = await run("deployment", "show", "--wait", COMPONENTS_URL=url)
    assert result.exit_code == 0
    assert result.stderr.splitlines() == [
        "warning: too many requests wait for this tool; retrying",
        "the service responds again",
    ]


async def test_a_permanent_error_is_not_retried(run: Run, aiohttp_server: AiohttpServer) -> None:
    gone = fake_service.answer(None, 404, error=["tool 'mytool' has no such deployment"])
    running = fake_service.answer(fake_service.deployment(web=fake_service.build()))
    url = await fake_service.serve(aiohttp_server, fake_service.in_turn(running, gone))
    result = await run("deployment", "show", "--follow", COMPONENTS_URL=url)
    assert result.exit_code == 2
    assert result.stderr == "error: tool 'mytool' has no such deployment\n"


def test_the_maximum_length_of_a_description_is_that_of_the_service() -> None:
    assert DESCRIPTION_LENGTH == wishes.DESCRIPTION_LENGTH


@pytest.mark.parametrize(
    ("given", "used", "warned"),
    [
        ("the fix", "the fix", False),
        ("  the fix\n", "the fix", False),
        ("the fix\n\nand why", "the fix", True),
        ("x" * 500, "x" * 500, False),
        ("x" * 501, "x" * 499 + "…", True),
        ("\n", "", False),
    ],
)
async def test_a_description_is_reduced_to_one_line_of_the_maximum_length(
    configured: Run, given: str, used: str, warned: bool
) -> None:
    result = await configured("deploy", "--json", "--description", given)
    assert json.loads(result.stdout)["description"] == used
    assert ("the description" in result.stderr) == warned


async def test_a_file_can_be_stored_and_deployed_by_one_command(
    configured: Run, tmp_path: Path
) -> None:
    file = tmp_path / "one.json"
    file.write_text(json.dumps(configuration("one")))
    result = await configured("deploy", "--config", str(file), "--json")
    assert list(json.loads(result.stdout)["builds"]) == ["one"]
    result = await configured("deploy", "--config", str(file))
    assert "stored the configuration of mytool: 1 component" in result.stdout
    result = await configured("deploy", "--config", str(file), "--dry-run")
    assert result.exit_code == 2
    assert "--dry-run cannot be used with --config" in result.stderr
