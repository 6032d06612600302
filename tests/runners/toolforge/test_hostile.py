"""Answers that are not the jobs service's, or not what its interface says."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from aiohttp import web
from pytest_aiohttp.plugin import AiohttpServer

from backends.runners.base import (
    Health,
    NothingRuns,
    RunnerUnavailable,
    Running,
    RunRejected,
    RunSpec,
    Wanted,
)
from backends.runners.toolforge import ToolforgeRunner
from backends.toolforge.api import MAX_ANSWER_BYTES
from tests.builders.toolforge.misbehaving import Html
from tests.conftest import NOON, HandClock
from tests.factories import TOOL
from tests.runners.contract import request_of
from tests.runners.toolforge.conftest import Connect
from tests.runners.toolforge.jobs_service import JobsService

WEB = Wanted("registry.example.org/tool-mytool/web:latest", RunSpec("serve"), "build-1")


async def answering(
    aiohttp_server: AiohttpServer, connect: Connect, body: bytes, status: int = 200
) -> ToolforgeRunner:
    """Return a runner of a service that answers everything in the same way."""

    async def answer(request: web.Request) -> web.Response:
        return web.Response(body=body, status=status, content_type="application/json")

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    return await connect((await aiohttp_server(app)).make_url("/"))


def job(**fields: Any) -> dict[str, Any]:
    return {"name": "web", "job_type": "continuous", "cmd": "serve", "imagename": "i", **fields}


async def listed(
    aiohttp_server: AiohttpServer, connect: Connect, *jobs: object
) -> dict[str, Running]:
    """Return what is listed of a service that has these jobs."""
    body = web.json_response({"jobs": jobs}).body
    assert isinstance(body, bytes)
    return dict(await (await answering(aiohttp_server, connect, body)).list(TOOL))


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b"[]", b"{}", b'{"jobs": {}}', b'{"jobs": null}', b"[" * 100_000, b"\xff"],
)
async def test_what_is_no_list_of_jobs_is_no_answer(
    aiohttp_server: AiohttpServer, connect: Connect, body: bytes
) -> None:
    runner = await answering(aiohttp_server, connect, body)
    with pytest.raises(RunnerUnavailable, match="the jobs service"):
        await runner.list(TOOL)


async def test_an_answer_without_end_is_not_read_to_its_end(
    aiohttp_server: AiohttpServer, connect: Connect
) -> None:
    sent = 0

    async def endless(request: web.Request) -> web.StreamResponse:
        nonlocal sent
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            sent += 65536
            await response.write(b" " * 65536)

    app = web.Application()
    app.router.add_get("/{path:.*}", endless)
    runner = await connect((await aiohttp_server(app)).make_url("/"))
    with pytest.raises(RunnerUnavailable):
        await runner.list(TOOL)
    assert sent < 10 * MAX_ANSWER_BYTES


async def test_jobs_of_unexpected_types_are_skipped_and_hide_no_others(
    aiohttp_server: AiohttpServer, connect: Connect
) -> None:
    odd: list[object] = [
        1,
        None,
        [],
        {},
        job(name=1),
        job(name=""),
        job(job_type=7),
        job(job_type="one-off"),
    ]
    found = await listed(aiohttp_server, connect, *odd, job(name="good"))
    assert found.keys() == {"good"}


@pytest.mark.parametrize(
    "fields",
    [
        {"status": 1},
        {"status": {"short": ["running"], "messages": {}, "duration": 5}},
        {"status": {"short": "odd", "messages": [1, None], "duration": "9" * 500 + "d"}},
        {"status": {"short": "pending", "duration": "99999999d"}},
        {"status_short": 5},
    ],
)
async def test_a_status_of_unexpected_types_is_no_status(
    aiohttp_server: AiohttpServer, connect: Connect, fields: dict[str, Any]
) -> None:
    running = (await listed(aiohttp_server, connect, job(**fields)))["web"]
    assert running.health is Health.PROGRESSING
    assert running.started is None


async def test_fields_of_unexpected_types_are_as_if_they_were_not_there(
    aiohttp_server: AiohttpServer, connect: Connect
) -> None:
    odd = job(cpu=2, memory=[], replicas="3", port=True, filelog="yes", health_check=[])
    running = (await listed(aiohttp_server, connect, odd))["web"]
    assert running.wanted == Wanted("i", RunSpec("serve"))


@pytest.mark.parametrize("fields", [{"cmd": None}, {"cmd": 5}, {"imagename": {}}])
async def test_of_a_job_without_a_command_it_is_not_known_what_it_runs(
    aiohttp_server: AiohttpServer, connect: Connect, fields: dict[str, Any]
) -> None:
    assert (await listed(aiohttp_server, connect, job(**fields)))["web"].wanted is None


async def test_messages_are_clipped_and_have_no_control_characters(
    aiohttp_server: AiohttpServer, connect: Connect
) -> None:
    status = {"short": "failed", "duration": "1s", "messages": ["\x1b[31m" + "x" * 10_000]}
    message = (await listed(aiohttp_server, connect, job(status=status)))["web"].message
    assert len(message.encode()) <= 2048
    assert "\x1b" not in message


@pytest.mark.parametrize(
    ("sentence", "health"),
    [
        ("Running.", Health.HEALTHY),
        ("Running for 2h", Health.HEALTHY),
        ("Failed", Health.FAILED),
        ("Unable to start", Health.FAILED),
        ("Pending", Health.PROGRESSING),
        ("Odd", Health.PROGRESSING),
    ],
)
async def test_a_service_without_statuses_is_understood_by_its_sentence(
    aiohttp_server: AiohttpServer, connect: Connect, sentence: str, health: Health
) -> None:
    found = await listed(aiohttp_server, connect, job(status_short=sentence))
    assert found["web"].health is health


async def test_how_long_a_job_has_its_status_says_since_when(
    aiohttp_server: AiohttpServer, connect: Connect
) -> None:
    status = {"short": "running", "duration": "24d24h59m45s"}
    running = (await listed(aiohttp_server, connect, job(status=status)))["web"]
    assert running.started == NOON - timedelta(days=24, hours=24, minutes=59, seconds=45)


@pytest.mark.parametrize("status", [400, 404, 409, 500, 503])
async def test_a_page_of_a_gateway_ends_no_run(
    runner: ToolforgeRunner, service: JobsService, status: int
) -> None:
    service.fault = lambda: Html(status)
    with pytest.raises(RunnerUnavailable):
        await runner.apply(request_of(TOOL, WEB), None)
    with pytest.raises(RunnerUnavailable):
        await runner.remove(TOOL, Running("web", Health.HEALTHY))


async def test_what_the_service_refuses_is_refused_in_its_words(
    runner: ToolforgeRunner, service: JobsService
) -> None:
    service.refuses["web"] = "quota exceeded"
    with pytest.raises(RunRejected, match="quota exceeded"):
        await runner.apply(request_of(TOOL, WEB), None)


async def test_a_certificate_that_is_not_accepted_is_said_and_passes(
    runner: ToolforgeRunner, service: JobsService
) -> None:
    service.fault = lambda: 403
    with pytest.raises(RunnerUnavailable, match="does not accept this service's certificate"):
        await runner.list(TOOL)


@pytest.mark.parametrize("fault", ["before", "after", 503, 502])
async def test_a_change_is_sent_again_until_it_is_answered(
    runner: ToolforgeRunner, service: JobsService, fault: str | int
) -> None:
    service.faults = [fault]
    await runner.apply(request_of(TOOL, WEB), None)
    assert service.changes == ["create web"]


async def test_a_restart_that_was_not_answered_is_done_by_the_next_attempt(
    runner: ToolforgeRunner, service: JobsService
) -> None:
    await runner.apply(request_of(TOOL, WEB), None)
    known = Running("web", Health.HEALTHY, wanted=WEB)
    again = request_of(TOOL, Wanted(WEB.image, WEB.spec, "build-2"), 2)
    service.faults = [0, "before"]
    await runner.apply(again, known)
    assert service.changes == ["create web", "restart web"]


async def test_a_service_that_is_not_well_says_so(
    runner: ToolforgeRunner, service: JobsService
) -> None:
    await runner.ping()
    service.health = "ERROR"
    with pytest.raises(RunnerUnavailable, match="the jobs service is not well: said"):
        await runner.ping()


async def test_a_component_cannot_leave_its_path(
    runner: ToolforgeRunner, service: JobsService
) -> None:
    with pytest.raises(NothingRuns):
        await runner.restart(TOOL, "../../another/jobs/web")
    assert {path for _, path in service.requests} == {
        f"/jobs/v1/tool/{TOOL}/jobs/../../another/jobs/web"
    }


async def test_the_lines_of_a_log_are_those_of_the_job(
    runner: ToolforgeRunner, service: JobsService
) -> None:
    service.put(TOOL, "web")
    service.lines = (
        b'{"pod": "web-1", "container": "job", "datetime": "now", "message": "of a service\\n"}',
        b'{"message": "of the job itself"}',
        b"plain \xff",
        b"",
    )
    assert [line async for line in runner.log(TOOL, "web")] == [
        "of a service",
        '{"message": "of the job itself"}',
        "plain \ufffd",
    ]


async def test_a_log_that_is_left_closes_its_connection(
    runner: ToolforgeRunner, service: JobsService
) -> None:
    service.put(TOOL, "web")
    service.follows = True
    lines = runner.log(TOOL, "web", follow=True)
    assert await anext(lines) == "one"
    assert not service.left.is_set()
    await lines.aclose()  # type: ignore[attr-defined]
    async with asyncio.timeout(5):
        await service.left.wait()


async def test_a_scheduled_job_says_how_its_latest_run_went_and_when_the_next_is(
    aiohttp_server: AiohttpServer, connect: Connect, clock: HandClock
) -> None:
    status = {
        "short": "failed",
        "duration": "5s",
        "messages": ["exit code 3"],
        "next_schedule": "2024-04-04T13:07:00Z",
    }
    nightly = job(job_type="scheduled", schedule="@hourly", status=status)
    running = (await listed(aiohttp_server, connect, nightly))["web"]
    assert running.health is Health.HEALTHY
    assert running.message == "its latest run: failed; exit code 3"
    assert running.next_run == NOON.replace(hour=13, minute=7)
