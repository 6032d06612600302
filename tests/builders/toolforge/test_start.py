"""Starts on the builds service: the requests, and the meaning of the responses."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from aiohttp.test_utils import TestServer

from backends.builders.base import BuilderUnavailable, BuildRejected, NoFreeSlot
from backends.builders.toolforge import ToolforgeBuilder
from backends.toolforge.api import MAX_STARTS, MAX_STARTS_OF_TOOL
from tests.builders.toolforge.builds_service import REFUSED_REF, BuildsService, commit_of
from tests.builders.toolforge.misbehaving import Fault, Html
from tests.factories import TOOL, build_request

STARTS = ("POST", f"/builds/v1/tool/{TOOL}/builds")


async def test_only_configured_parameters_are_sent(
    builder: ToolforgeBuilder, service: BuildsService
) -> None:
    await builder.start(build_request("web"))
    await builder.start(build_request("api", "two", ref="main", use_latest_versions=False))
    assert [each.parameters for each in service.builds] == [
        {"source_url": "https://git.example.org/mytool", "image_name": "web"},
        {
            "source_url": "https://git.example.org/mytool",
            "image_name": "api",
            "ref": "main",
            "use_latest_versions": False,
        },
    ]


async def test_a_first_attempt_makes_one_call(
    builder: ToolforgeBuilder, service: BuildsService
) -> None:
    await builder.start(replace(build_request(), repeated=False))
    assert service.requests == [STARTS]


async def test_the_commit_is_the_one_that_the_service_resolved(builder: ToolforgeBuilder) -> None:
    assert (await builder.start(build_request())).commit == commit_of(None)


async def test_a_rejection_is_passed_on_verbatim(builder: ToolforgeBuilder) -> None:
    with pytest.raises(BuildRejected) as caught:
        await builder.start(build_request(ref=REFUSED_REF))
    assert str(caught.value) == "unable to resolve ref 'no-such-ref'"


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (400, "injected"),
        (422, "injected"),
        (404, "the builds service does not know this tool: injected"),
    ],
)
async def test_a_rejection_of_the_service_itself_is_final(
    builder: ToolforgeBuilder, service: BuildsService, status: int, words: str
) -> None:
    service.faults = [status]
    with pytest.raises(BuildRejected) as caught:
        await builder.start(replace(build_request(), repeated=False))
    assert (str(caught.value), caught.value.maybe_started) == (words, False)
    assert service.requests == [STARTS]


async def test_a_full_service_means_no_free_slot_and_is_not_retried(
    builder: ToolforgeBuilder, service: BuildsService
) -> None:
    service.slots = 0
    with pytest.raises(NoFreeSlot, match="You already have 4 builds running"):
        await builder.start(replace(build_request(), repeated=False))
    assert service.requests == [STARTS]


@pytest.mark.parametrize("fault", [408, 429, 503, Html(400), Html(404), Html(409), Html(422)])
async def test_a_transient_error_before_execution_is_retried(
    builder: ToolforgeBuilder, service: BuildsService, fault: Fault
) -> None:
    service.faults = [fault]
    await builder.start(replace(build_request(), repeated=False))
    assert len(service.builds) == 1


async def test_a_persistent_failure_is_raised_at_the_time_limit(
    builder: ToolforgeBuilder, service: BuildsService
) -> None:
    service.fault = lambda: 503
    service.retry_after = "60"
    with pytest.raises(BuilderUnavailable, match="the builds service responded with 503: injected"):
        await builder.start(build_request())
    assert len(service.requests) == 1, "it is not asked before it wants to be"


async def test_an_unreachable_service_has_started_nothing(
    builder: ToolforgeBuilder, servers: list[TestServer]
) -> None:
    await servers[0].close()
    with pytest.raises(BuilderUnavailable) as caught:
        await builder.start(replace(build_request(), repeated=False))
    assert not caught.value.maybe_started


@pytest.mark.parametrize("status", [401, 403])
async def test_a_rejected_certificate_is_logged_for_the_operator(
    builder: ToolforgeBuilder,
    service: BuildsService,
    status: int,
    caplog: pytest.LogCaptureFixture,
) -> None:
    service.faults = [status]
    with pytest.raises(BuilderUnavailable, match="does not accept this service's certificate"):
        await builder.start(replace(build_request(), repeated=False))
    assert "COMPONENTS_TOOLFORGE_CERT" in caplog.text


async def test_another_process_finds_a_started_build(
    builder: ToolforgeBuilder, another: ToolforgeBuilder
) -> None:
    now = datetime.now(UTC)
    first = await builder.start(replace(build_request(), repeated=False, first_attempt=now))
    again = await another.start(replace(build_request(), repeated=True, first_attempt=now))
    assert again.id == first.id


async def test_fifty_starts_run_concurrently(
    builder: ToolforgeBuilder, service: BuildsService
) -> None:
    service.slots = 50
    all_there = asyncio.Barrier(50)
    service.resolving = lambda ref: all_there.wait()
    requests = [replace(build_request(f"c{n}", f"k{n}"), repeated=False) for n in range(50)]
    async with asyncio.timeout(20):
        await asyncio.gather(*map(builder.start, requests))
    assert len(service.builds) == 50


async def test_starts_that_hang_hold_up_only_those_of_their_own_tool(
    builder: ToolforgeBuilder, service: BuildsService
) -> None:
    hanging, go_on = asyncio.Semaphore(0), asyncio.Event()

    async def resolve(ref: str) -> None:
        if ref == "hangs":
            hanging.release()
            await go_on.wait()

    service.resolving = resolve
    requests = [
        replace(build_request(f"c{n}", f"k{n}", ref="hangs"), tool="greedy", repeated=False)
        for n in range(MAX_STARTS)
    ]
    starts = [asyncio.create_task(builder.start(each)) for each in requests]
    for _ in range(MAX_STARTS_OF_TOOL):
        await hanging.acquire()
    await builder.start(replace(build_request(), repeated=False))
    assert hanging.locked(), "no more of them have been sent"
    for task in starts:
        task.cancel()
    await asyncio.wait(starts)
    go_on.set()
    await service.all_executed()
