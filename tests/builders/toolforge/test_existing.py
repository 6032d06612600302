"""A build in the service's list is used for a commit if its image is that build's, or will be."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp.test_utils import TestClient, TestServer
from pytest_aiohttp.plugin import AiohttpClient, AiohttpServer

from backends.builders.base import BuilderUnavailable, BuildStatus, Source
from backends.builders.toolforge import ToolforgeBuilder
from backends.builders.toolforge.existing import existing_builds
from backends.git.resolver import CommitResolver
from backends.stores.memory import MemoryStore
from components.http.app import create_app
from components.settings import Settings
from tests.builders.local.conftest import git
from tests.builders.toolforge.builds_service import BuildsService
from tests.builders.toolforge.conftest import Serve
from tests.conftest import NOON
from tests.factories import TOOL, component
from tests.git.serving import GitServer
from tests.http.conftest import CONFIG, DEPLOY, SUBJECT, data_of

COMMIT, OTHER = "1" * 40, "2" * 40
SECOND = timedelta(seconds=1)
WANTED = Source("https://git.example.org/mytool", COMMIT)


def build(
    build_id: str = "b",
    status: str = "BUILD_SUCCESS",
    commit: str = COMMIT,
    ended: datetime | None = NOON,
    **parameters: Any,
) -> dict[str, Any]:
    """A build in the service's list."""
    given = {"source_url": WANTED.repository, "image_name": "web", "ref": "main", **parameters}
    times = {"start_time": f"{NOON - SECOND:%Y-%m-%dT%H:%M:%SZ}"}
    if ended and status == "BUILD_SUCCESS":
        times["end_time"] = f"{ended:%Y-%m-%dT%H:%M:%SZ}"
    return {
        "build_id": build_id,
        "status": status,
        "parameters": given,
        "resolved_ref": commit,
        "destination_image": "registry.example.org/tool-mytool/web:latest",
        **times,
    }


def used(*builds: dict[str, Any], source: Source = WANTED) -> str | None:
    found = existing_builds(builds, {"web": source}).get("web")
    return found.id if found else None


def test_a_finished_build_of_the_commit_is_used_with_its_image() -> None:
    found = existing_builds([build()], {"web": WANTED, "api": WANTED})
    assert found.keys() == {"web"}
    assert found["web"].status is BuildStatus.FINISHED
    assert found["web"].image == "registry.example.org/tool-mytool/web:latest"
    assert found["web"].commit == COMMIT


@pytest.mark.parametrize(
    "changes",
    [
        {"commit": OTHER},
        {"commit": ""},
        {"image_name": "api"},
        {"use_latest_versions": True},
        {"use_deprecated_versions": True},
        {"envvars": {"DEBUG": "1"}},
        {"status": "BUILD_FAILURE"},
        {"status": "BUILD_CANCELLED"},
        {"status": "BUILD_TIMEOUT"},
        {"status": "BUILD_UNKNOWN"},
    ],
    ids=lambda each: "-".join(map(str, next(iter(each.items())))),
)
def test_a_build_of_something_else_or_without_success_is_not_used(changes: dict[str, Any]) -> None:
    assert used(build(**changes)) is None


def test_options_are_compared_and_a_missing_one_is_off() -> None:
    latest = replace(WANTED, use_latest_versions=True)
    assert used(build(use_latest_versions=True), source=latest) == "b"
    assert used(build(), source=latest) is None
    assert used(build(use_latest_versions=False)) == "b"


@pytest.mark.parametrize("later", [NOON + SECOND, NOON, None], ids=["later", "same", "unknown"])
def test_a_build_whose_image_a_later_one_has_taken_over_is_not_used(
    later: datetime | None,
) -> None:
    assert used(build("b"), build("c", commit=OTHER, ended=later)) is None


def test_a_build_after_another_commit_is_used() -> None:
    assert used(build("b"), build("a", commit=OTHER, ended=NOON - SECOND)) == "b"


def test_failures_and_other_images_take_nothing_over() -> None:
    later = NOON + SECOND
    failed = build("c", "BUILD_FAILURE", OTHER, later)
    assert used(build("b"), failed, build("d", commit=OTHER, ended=later, image_name="api")) == "b"


@pytest.mark.parametrize("status", ["BUILD_RUNNING", "BUILD_PENDING"])
def test_a_build_that_still_runs_is_used(status: str) -> None:
    assert used(build("b", status)) == "b"


def test_a_finished_build_is_used_rather_than_one_that_still_runs() -> None:
    assert used(build("c", "BUILD_RUNNING"), build("b")) == "b"


@pytest.mark.parametrize("status", ["BUILD_RUNNING", "BUILD_PENDING", "BUILD_UNKNOWN"])
def test_while_another_commit_is_being_built_nothing_is_used(status: str) -> None:
    assert used(build("b"), build("c", status, OTHER)) is None
    assert used(build("b", "BUILD_RUNNING"), build("c", status, OTHER)) is None


def test_malformed_builds_do_no_harm() -> None:
    malformed: list[dict[str, Any]] = [
        {"build_id": "x"},
        {"build_id": "y", "parameters": "text", "status": 3},
        {**build("z"), "end_time": 7, "resolved_ref": None},
    ]
    assert used(*malformed[:2], build("b")) == "b"
    assert used(*malformed) is None


async def test_the_service_is_asked_once_for_all_components(
    builder: ToolforgeBuilder, service: BuildsService
) -> None:
    wanted = {f"c{number}": WANTED for number in range(50)}
    assert await builder.existing(TOOL, wanted) == {}
    assert service.requests == [("GET", f"/builds/v1/tool/{TOOL}/builds")]


async def test_a_service_that_does_not_answer_is_unavailable(
    builder: ToolforgeBuilder, service: BuildsService
) -> None:
    service.fault = lambda: 500
    with pytest.raises(BuilderUnavailable):
        await builder.existing(TOOL, {"web": WANTED})


# Deployments, with a real git server and through our own API.

Start = Callable[..., Awaitable[str]]


@pytest.fixture
def repositories(tmp_path: Path) -> GitServer:
    return GitServer(tmp_path)


@pytest.fixture
async def client(
    aiohttp_client: AiohttpClient,
    aiohttp_server: AiohttpServer,
    serve: Serve,
    service: BuildsService,
    servers: list[TestServer],
    repositories: GitServer,
) -> AsyncIterator[TestClient[Any, Any]]:
    """Our service, with the configuration of one component that is in a real repository."""
    await serve(service)
    resolver = CommitResolver(private=True)
    builder = ToolforgeBuilder(servers[0].make_url("/builds"), within=1, resolver=resolver)
    await builder.open()
    app = create_app(Settings(reads_per_minute=0), MemoryStore(), builder)
    client = await aiohttp_client(app, headers=SUBJECT)
    where = repositories.make()
    service.commits["main"] = git(where, "rev-parse", "main")
    web = component()
    web["build"]["repository"] = str(
        (await aiohttp_server(repositories.app())).make_url("/web.git")
    )
    await data_of(await client.post(CONFIG, json={"components": {"web": web}}))
    yield client
    await builder.close()


@pytest.fixture
def start(client: TestClient[Any, Any], servers: list[TestServer]) -> Start:
    """Start a build as `toolforge build start` does; return its id."""

    async def started(ref: str = "main", **parameters: Any) -> str:
        async with aiohttp.ClientSession(headers={"X-Toolforge-Tool": TOOL}) as session:
            url = servers[0].make_url(f"/builds/v1/tool/{TOOL}/builds")
            source = {"source_url": "https://git.example.org/web", "image_name": "web"}
            response = await session.post(url, json={**source, "ref": ref, **parameters})
            return str((await response.json())["new_build"]["name"])

    return started


async def test_the_resolved_commit_is_what_is_built(
    client: TestClient[Any, Any], service: BuildsService
) -> None:
    shown = await data_of(await client.post(DEPLOY), 201)
    commit = service.commits["main"]
    assert [each.parameters["ref"] for each in service.builds] == [commit]
    assert shown["builds"]["web"]["commit"] == commit


async def test_a_second_deployment_of_the_same_commit_builds_nothing(
    client: TestClient[Any, Any], service: BuildsService
) -> None:
    first = await data_of(await client.post(DEPLOY), 201)
    service.builds[0].end("BUILD_SUCCESS")
    await data_of(await client.get(f"{DEPLOY}/latest"))
    second = await data_of(await client.post(DEPLOY), 201)
    assert second["status"] == "FINISHED"
    assert second["builds"]["web"]["reused-from"] == first["deploy-id"]
    assert len(service.ever) == 1


async def test_a_build_that_somebody_else_has_finished_is_used(
    client: TestClient[Any, Any], service: BuildsService, start: Start
) -> None:
    theirs = await start()
    service.builds[0].end("BUILD_SUCCESS")
    shown = await data_of(await client.post(DEPLOY), 201)
    assert (shown["status"], shown["builds"]["web"]["reused-from"]) == ("FINISHED", theirs)
    assert len(service.ever) == 1


async def test_a_build_that_somebody_else_has_started_is_waited_for_and_never_cancelled(
    client: TestClient[Any, Any], service: BuildsService, start: Start
) -> None:
    theirs = await start()
    first = await data_of(await client.post(DEPLOY), 201)
    second = await data_of(await client.post(DEPLOY), 201)
    assert {each["builds"]["web"]["build-id"] for each in (first, second)} == {theirs}
    cancelled = await data_of(await client.put(f"{DEPLOY}/{first['deploy-id']}/cancel"))
    assert cancelled["status"] == "CANCELLED"
    assert service.builds[0].status == "BUILD_RUNNING"
    service.builds[0].end("BUILD_SUCCESS")
    assert (await data_of(await client.get(f"{DEPLOY}/latest")))["status"] == "FINISHED"
    assert len(service.ever) == 1


async def test_after_a_build_of_another_commit_the_commit_is_built_again(
    client: TestClient[Any, Any], service: BuildsService, start: Start
) -> None:
    await data_of(await client.post(DEPLOY), 201)
    service.builds[0].end("BUILD_SUCCESS")
    await data_of(await client.get(f"{DEPLOY}/latest"))
    await start("other")
    service.builds[-1].end("BUILD_SUCCESS")
    shown = await data_of(await client.post(DEPLOY), 201)
    assert shown["builds"]["web"]["reused-from"] is None
    assert len(service.ever) == 3
