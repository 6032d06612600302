"""What a script sees: options, summaries and exit codes."""

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
from tests.cli import fake
from tests.cli.conftest import Run
from tests.factories import configuration, reusing


@pytest.fixture
async def configured(run: Run) -> Run:
    """The command line, once the tool has a configuration."""
    text = yaml.safe_dump(configuration("web", "api", nightly=reusing("web")), sort_keys=False)
    assert (await run("config", "set", "-", stdin=text)).exit_code == 0
    return run


def ends(builder: ScriptedBuilder, status: BuildStatus) -> None:
    builder.before_answers = [lambda: builder.becomes(status, image="i:1")] * 3


@pytest.mark.parametrize(
    ("status", "code"),
    [(BuildStatus.FINISHED, 0), (BuildStatus.ERROR, 1), (BuildStatus.CANCELLED, 1)],
)
async def test_waiting_prints_one_line_and_the_status_is_the_exit_code(
    configured: Run, builder: ScriptedBuilder, status: BuildStatus, code: int
) -> None:
    ends(builder, status)
    result = await configured("deploy", "--wait")
    assert result.exit_code == code
    (line,) = result.stdout.splitlines()
    assert line.startswith(f"{status} mytool-deploy-20240404120000-")


async def test_the_line_says_what_went_wrong(configured: Run, builder: ScriptedBuilder) -> None:
    builder.refusals["api"] = BuildRejected("no such ref\nand more")
    ends(builder, BuildStatus.FINISHED)
    result = await configured("deploy", "--wait")
    (line,) = result.stdout.splitlines()
    assert "; 2 of 3 builds finished in " in line
    assert line.endswith("; api: no such ref")


@pytest.mark.parametrize("how", ["--wait", "--follow"])
async def test_what_has_not_ended_in_time_has_an_exit_code_of_its_own(
    configured: Run, how: str
) -> None:
    result = await configured("deploy", how, "--timeout", "0.3")
    assert result.exit_code == 3
    assert "RUNNING" in result.stdout.splitlines()[-1]


async def test_a_timeout_of_nothing_is_a_usage_error(configured: Run) -> None:
    result = await configured("deploy", "--timeout", "5")
    assert result.exit_code == 2
    assert "--timeout needs --follow or --wait" in result.stderr
    assert (await configured("deploy", "--wait", "--timeout", "0")).exit_code == 2


async def test_waiting_with_json_prints_the_last_answer_alone(
    configured: Run, builder: ScriptedBuilder
) -> None:
    ends(builder, BuildStatus.FINISHED)
    result = await configured("deploy", "--wait", "--json")
    assert json.loads(result.stdout)["status"] == "FINISHED"


async def test_some_components_can_be_deployed_for_a_reason(
    configured: Run, builder: ScriptedBuilder
) -> None:
    result = await configured("deploy", "nightly", "--description", "the fix", "--json")
    data = json.loads(result.stdout)
    assert list(data["builds"]) == ["web", "nightly"]
    assert data["description"] == "the fix"


async def test_a_dry_run_shows_what_would_be_done(
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


async def test_what_failed_can_be_retried_and_what_finished_rolled_back_to(
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


async def test_a_key_makes_a_command_repeatable(configured: Run) -> None:
    ids = [
        json.loads((await configured("deploy", "--idempotency-key", "one", "--json")).stdout)
        for _ in range(2)
    ]
    assert ids[0]["deploy-id"] == ids[1]["deploy-id"]


async def shown(run: Run, server: AiohttpServer, data: Any, *command: str) -> str:
    """What a command prints where the service answers this."""
    url = await fake.serve(server, fake.in_turn(fake.answer(data)))
    return (await run(*command, COMPONENTS_URL=url)).stdout


async def test_an_old_deployment_took_until_its_last_build_ended(
    run: Run, aiohttp_server: AiohttpServer
) -> None:
    later = fake.build("FINISHED", **{"end-time": "2024-04-04T12:02:03.000000Z"})
    data = fake.deployment("FINISHED", web=fake.build("FINISHED"), worker=later)
    output = await shown(run, aiohttp_server, data, "deployment", "show", "--wait")
    assert output.endswith("; 2 of 2 builds finished in 2m03s\n")


async def test_a_reused_build_has_no_time_of_its_own(
    run: Run, aiohttp_server: AiohttpServer
) -> None:
    earlier = {"reused-from": "mytool-deploy-20240404110000-1", "end-time": "2024-04-04T11:00:00Z"}
    reused = fake.build("FINISHED", **earlier)
    data = fake.deployment("FINISHED", web=reused)
    output = await shown(run, aiohttp_server, data, "deployment", "show")
    assert output.splitlines()[1].split() == ["web", "FINISHED", "reused"]
    output = await shown(run, aiohttp_server, data, "deployment", "show", "--wait")
    assert output.endswith("; 1 of 1 builds finished\n")
    data = fake.deployment("FINISHED", web=reused, worker=fake.build("FINISHED"))
    output = await shown(run, aiohttp_server, data, "deployment", "show", "--wait")
    assert output.endswith("; 2 of 2 builds finished in 1m05s\n")


async def test_a_service_that_is_busy_is_asked_later(
    run: Run, aiohttp_server: AiohttpServer
) -> None:
    busy = fake.answer(None, 429, error=["too many requests wait for this tool"])
    busy.headers["Retry-After"] = "1"
    ends = fake.answer(fake.deployment("FINISHED", web=fake.build("FINISHED")))
    running = fake.answer(fake.deployment(web=fake.build()))
    url = await fake.serve(aiohttp_server, fake.in_turn(running, busy, busy, ends))
    result = await run("deployment", "show", "--wait", COMPONENTS_URL=url)
    assert result.exit_code == 0
    assert result.stderr.splitlines() == [
        "warning: too many requests wait for this tool; trying again",
        "the service answers again",
    ]


async def test_a_service_that_refuses_for_good_is_asked_once(
    run: Run, aiohttp_server: AiohttpServer
) -> None:
    gone = fake.answer(None, 404, error=["tool 'mytool' has no such deployment"])
    running = fake.answer(fake.deployment(web=fake.build()))
    url = await fake.serve(aiohttp_server, fake.in_turn(running, gone))
    result = await run("deployment", "show", "--follow", COMPONENTS_URL=url)
    assert result.exit_code == 2
    assert result.stderr == "error: tool 'mytool' has no such deployment\n"


def test_a_description_is_as_long_as_the_service_takes_it() -> None:
    assert DESCRIPTION_LENGTH == wishes.DESCRIPTION_LENGTH


@pytest.mark.parametrize(
    ("given", "kept", "warned"),
    [
        ("the fix", "the fix", False),
        ("  the fix\n", "the fix", False),
        ("the fix\n\nand why", "the fix", True),
        ("x" * 500, "x" * 500, False),
        ("x" * 501, "x" * 499 + "…", True),
        ("\n", "", False),
    ],
)
async def test_a_description_is_one_line_with_an_end(
    configured: Run, given: str, kept: str, warned: bool
) -> None:
    result = await configured("deploy", "--json", "--description", given)
    assert json.loads(result.stdout)["description"] == kept
    assert ("warning: the description" in result.stderr) == warned


async def test_a_file_is_stored_and_deployed_at_once(configured: Run, tmp_path: Path) -> None:
    file = tmp_path / "one.json"
    file.write_text(json.dumps(configuration("one")))
    result = await configured("deploy", "--config", str(file), "--json")
    assert list(json.loads(result.stdout)["builds"]) == ["one"]
    result = await configured("deploy", "--config", str(file))
    assert "stored the configuration of mytool: 1 component" in result.stdout
    result = await configured("deploy", "--config", str(file), "--dry-run")
    assert result.exit_code == 2
    assert "--dry-run stores nothing" in result.stderr
