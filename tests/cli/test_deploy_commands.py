"""`components deploy` and `components deployment`."""

import io
import json

import pytest
import yaml
from rich.console import Console
from rich.text import Text
from yarl import URL

from backends.builders.base import BuilderUnavailable, BuildRejected, BuildStatus
from backends.stores.base import Unavailable
from components.cli.client import Connection, Reply, connect
from components.cli.follow import follow
from components.cli.output import Output
from tests.builders.scripted import ScriptedBuilder
from tests.cli.conftest import Run
from tests.conftest import NOON, HandClock
from tests.factories import TOOL, configuration, reusing
from tests.stores.counting import CountingStore


@pytest.fixture
async def configured(run: Run) -> Run:
    """Store a configuration; return the command line."""
    text = yaml.safe_dump(configuration("web", "api", nightly=reusing("web")), sort_keys=False)
    assert (await run("config", "set", "-", stdin=text)).exit_code == 0
    return run


async def test_deploying_without_a_configuration_is_an_error(run: Run) -> None:
    result = await run("deploy")
    assert result.exit_code == 2
    assert "store a configuration first" in result.stderr


async def test_a_deployment_is_shown_component_by_component(
    configured: Run, builder: ScriptedBuilder
) -> None:
    result = await configured("deploy")
    assert result.exit_code == 0
    first, *lines, last = result.stdout.splitlines()
    assert first.startswith("deployment mytool-deploy-20240404120000-")
    assert [line.split()[:2] for line in lines] == [
        ["web", "PENDING"],
        ["api", "PENDING"],
        ["nightly", "PENDING"],
    ]
    assert last == "RUNNING"


@pytest.mark.parametrize(
    ("ends", "code"),
    [(BuildStatus.FINISHED, 0), (BuildStatus.ERROR, 1), (BuildStatus.CANCELLED, 1)],
)
@pytest.mark.parametrize("command", [("deploy",), ("deployment", "show")])
async def test_following_ends_with_the_last_build_and_exits_according_to_the_status(
    configured: Run,
    builder: ScriptedBuilder,
    ends: BuildStatus,
    code: int,
    command: tuple[str, ...],
) -> None:
    if command != ("deploy",):
        await configured("deploy")
    builder.before_answers = [
        lambda: None,
        lambda: builder.becomes(BuildStatus.RUNNING),
        lambda: builder.becomes(ends, message="why"),
    ]
    result = await configured(*command, "--follow")
    assert result.exit_code == code
    lines = result.stdout.splitlines()
    assert [line.split()[1] for line in lines if line.startswith("web ")] == [
        "PENDING",
        "RUNNING",
        ends.value,
    ]
    assert lines[-1] == ends.value


async def test_following_prints_a_line_only_when_something_has_changed(
    configured: Run, builder: ScriptedBuilder, clock: HandClock
) -> None:
    await configured("deploy")
    builder.becomes(BuildStatus.FINISHED)
    result = await configured("deployment", "show", "--follow")
    assert len(result.stdout.splitlines()) == 1 + 3 + 1


async def test_json_with_follow_prints_only_the_last_response(
    configured: Run, builder: ScriptedBuilder
) -> None:
    await configured("deploy")
    builder.becomes(BuildStatus.FINISHED)
    result = await configured("deployment", "show", "--follow", "--json")
    assert json.loads(result.stdout)["status"] == "FINISHED"


async def test_a_deployment_that_is_rejected_at_once_has_exit_code_1(
    configured: Run, builder: ScriptedBuilder
) -> None:
    builder.refusals |= {"web": BuildRejected("no such ref"), "api": BuildRejected("no such ref")}
    result = await configured("deploy")
    assert result.exit_code == 1
    assert "error: web: no such ref" in result.stderr


async def test_showing_a_failed_deployment_is_not_an_error(
    configured: Run, builder: ScriptedBuilder
) -> None:
    await configured("deploy")
    builder.becomes(BuildStatus.ERROR)
    result = await configured("deployment", "show")
    assert (result.exit_code, result.stdout.splitlines()[-1]) == (0, "ERROR")


async def test_the_list_is_newest_first(configured: Run, clock: HandClock) -> None:
    assert (await configured("deployment", "list")).stdout == "mytool has no deployments\n"
    ids = []
    for _ in range(2):
        clock.turn(1)
        ids.append(json.loads((await configured("deploy", "--json")).stdout)["deploy-id"])
    listed = await configured("deployment", "list")
    heading, *lines = listed.stdout.splitlines()
    assert heading.split() == ["DEPLOYMENT", "STATUS", "CREATED", "(UTC)", "FINISHED"]
    assert [line.split()[0] for line in lines] == ids[::-1]
    assert lines[0].endswith("  0 of 3")
    as_json = json.loads((await configured("deployment", "list", "--json")).stdout)
    assert [each["deploy-id"] for each in as_json["deployments"]] == ids[::-1]


async def test_an_unknown_id_is_reported(configured: Run) -> None:
    result = await configured("deployment", "show", "mytool-deploy-20240404120000-1")
    assert result.exit_code == 2
    assert "has no deployment" in result.stderr


async def test_following_continues_after_an_outage(
    configured: Run, builder: ScriptedBuilder, store: CountingStore
) -> None:
    await configured("deploy")

    async def fail() -> None:
        builder.becomes(BuildStatus.FINISHED)
        raise Unavailable("connection refused")

    async def fail_next_time() -> None:
        store.before["get"] = fail

    store.before["get"] = fail_next_time
    result = await configured("deployment", "show", "latest", "--follow")
    assert result.exit_code == 0


async def test_on_a_terminal_the_builds_are_shown_live() -> None:
    build = {
        "status": "FINISHED",
        "message": "",
        "image": "registry.example.org/web:1",
        "start-time": "2024-04-04T12:00:00Z",
        "end-time": "2024-04-04T12:01:05Z",
        "reused-from": None,
    }
    data = {"deploy-id": "x", "status": "FINISHED", "builds": {"web": build}}
    text = io.StringIO()
    console = Console(file=text, force_terminal=True, width=80)
    async with connect(Connection(URL("http://127.0.0.1"), TOOL, "header", "toolforge")) as client:
        await follow(client, Output(out=console), Reply(data, (), (), (), NOON))
    assert (
        "web  FINISHED   1m05s   registry.example.org/web:1"
        in Text.from_ansi(text.getvalue()).plain
    )


async def test_an_unavailable_builder_is_a_warning(
    configured: Run, builder: ScriptedBuilder
) -> None:
    await configured("deploy")
    builder.outage = BuilderUnavailable("connection refused")
    result = await configured("deployment", "show")
    assert result.exit_code == 0
    assert "warning: the builder does not respond" in result.stderr


async def test_a_deployment_can_be_cancelled(configured: Run, builder: ScriptedBuilder) -> None:
    await configured("deploy")
    result = await configured("deployment", "cancel")
    assert result.exit_code == 0
    assert "is being cancelled" in result.stdout
    assert set(builder.cancelled) == {"build-1", "build-2"}


async def test_only_a_deployment_that_has_ended_can_be_deleted(
    configured: Run, builder: ScriptedBuilder
) -> None:
    await configured("deploy")
    result = await configured("deployment", "delete", "latest")
    assert result.exit_code == 2
    assert "Cancel it first" in result.stderr
    builder.becomes(BuildStatus.FINISHED)
    await configured("deployment", "show", "--follow")
    result = await configured("deployment", "delete", "latest")
    assert result.exit_code == 0
    assert result.stdout.startswith("deleted deployment mytool-deploy-")
