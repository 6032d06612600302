"""What a script sees: options, summaries and exit codes."""

import json

import pytest
import yaml

from backends.builders.base import BuildRejected, BuildStatus
from tests.builders.scripted import ScriptedBuilder
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
