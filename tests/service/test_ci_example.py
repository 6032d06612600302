"""The example of a CI job: it deploys, waits, and fails if the deployment fails."""

import asyncio
import os
import sys
from asyncio.subprocess import PIPE
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeAlias

import pytest
import yaml
from pytest_aiohttp.plugin import AiohttpServer

from backends.builders.base import BuildRejected, BuildStatus
from components.engine.configurations.operations import set_configuration
from components.engine.context import Engine
from components.engine.deployments.documents import DEPLOYMENT
from components.engine.tokens.documents import Scope
from components.engine.tokens.operations import create_token
from components.http.app import create_app
from components.settings import Settings
from tests.builders.scripted import ScriptedBuilder
from tests.factories import TOOL, configuration
from tests.stores.counting import CountingStore

EXAMPLES = Path(__file__).parents[2] / "examples/ci"

Job: TypeAlias = Callable[..., Awaitable[tuple[int | None, str, str]]]


@pytest.fixture
async def job(
    aiohttp_server: AiohttpServer, store: CountingStore, builder: ScriptedBuilder, tmp_path: Path
) -> Job:
    """Return a function that runs the script; it returns exit code, stdout and stderr."""
    server = await aiohttp_server(create_app(Settings(max_running=1), store, builder))
    file = tmp_path / "components.yaml"
    file.write_text(yaml.safe_dump(configuration("web")))

    async def run(**env: str) -> tuple[int | None, str, str]:
        environment = {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "COMPONENTS_URL": str(server.make_url("/")),
            "COMPONENTS_TOOL": TOOL,
            "DEPLOY_TIMEOUT": "20",
            **env,
        }
        process = await asyncio.create_subprocess_exec(
            "sh", EXAMPLES / "deploy.sh", cwd=tmp_path, env=environment, stdout=PIPE, stderr=PIPE
        )
        output, errors = await process.communicate()
        return process.returncode, output.decode(), errors.decode()

    return run


def ends(builder: ScriptedBuilder, status: BuildStatus) -> None:
    """Let every build end with this status at the next query."""
    builder.before_answers = [lambda: builder.becomes(status, image="i")] * 5


async def test_with_a_token_the_stored_configuration_is_deployed(
    job: Job, store: CountingStore, builder: ScriptedBuilder
) -> None:
    engine = Engine(store, builder)
    made = await create_token(engine, TOOL, "ci", list(Scope))
    code, _, errors = await job(COMPONENTS_TOKEN=made.text)
    assert (code, "has no configuration" in errors) == (2, True)
    await set_configuration(engine, TOOL, configuration("web"))
    ends(builder, BuildStatus.FINISHED)
    code, output, errors = await job(COMPONENTS_TOKEN=made.text)
    assert (code, "FINISHED" in output) == (0, True), errors


async def test_a_finished_deployment_succeeds_with_a_summary_in_one_line(
    job: Job, builder: ScriptedBuilder
) -> None:
    ends(builder, BuildStatus.FINISHED)
    code, output, errors = await job()
    assert code == 0, errors
    assert "components.web: added" in output
    last = output.splitlines()[-1]
    assert last.startswith(f"FINISHED {TOOL}-deploy-")
    assert "1 of 1 builds finished in" in last


async def test_a_failed_deployment_fails_the_job_with_the_reason(
    job: Job, builder: ScriptedBuilder
) -> None:
    builder.refusals["web"] = BuildRejected("no such ref")
    code, output, _ = await job()
    assert code == 1
    assert output.splitlines()[-1].startswith("ERROR ")
    assert output.splitlines()[-1].endswith("web: no such ref")


async def test_an_expired_timeout_fails_the_job_with_exit_code_3(
    job: Job,
) -> None:
    code, output, _ = await job(DEPLOY_TIMEOUT="0.5")
    assert code == 3
    assert output.splitlines()[-1].startswith("RUNNING ")


async def test_a_job_that_is_retried_deploys_once(job: Job, builder: ScriptedBuilder) -> None:
    ends(builder, BuildStatus.FINISHED)
    for _ in range(2):
        code, _, errors = await job(DEPLOY_KEY="pipeline-1")
        assert code == 0
    assert "this request was made before" in errors
    assert len(builder.requests) == 1


async def test_an_invalid_configuration_fails_the_job_and_is_not_stored(
    job: Job, store: CountingStore, tmp_path: Path
) -> None:
    (tmp_path / "components.yaml").write_text("components: {}")
    code, _, errors = await job()
    assert code == 1
    assert "error: components: " in errors
    assert not store.calls["create"]


@pytest.mark.parametrize(
    ("message", "length", "warning"),
    [
        ("a long one " * 60, 500, "is truncated"),
        ("the title\n\nand the reasons " * 40, len("the title"), "only the first line"),
    ],
)
async def test_a_commit_message_of_any_length_becomes_a_description(
    job: Job,
    builder: ScriptedBuilder,
    store: CountingStore,
    message: str,
    length: int,
    warning: str,
) -> None:
    ends(builder, BuildStatus.FINISHED)
    code, _, errors = await job(DEPLOY_DESCRIPTION=message)
    assert code == 0, errors
    assert warning in errors
    (found,) = (await store.list(TOOL, DEPLOYMENT)).documents
    assert len(found.data["description"]) == length


@pytest.mark.parametrize(
    "options", [{"DEPLOY_KEY": "two words"}, {"DEPLOY_TIMEOUT": "soon"}, {"DEPLOY_TIMEOUT": "-1"}]
)
async def test_nothing_is_stored_if_another_option_is_invalid(
    job: Job, store: CountingStore, options: dict[str, str]
) -> None:
    code, _, _ = await job(**options)
    assert code == 2
    assert not store.calls["create"]


@pytest.mark.parametrize("name", ["gitlab.yml", "github.yml"])
def test_the_jobs_run_the_script(name: str) -> None:
    text = (EXAMPLES / name).read_text()
    assert "sh deploy.sh" in text
    assert yaml.safe_load(text)
