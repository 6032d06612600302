"""A start without a response: never repeated while its outcome is unknown."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from backends.builders.base import BuilderUnavailable, BuildRequest
from backends.builders.toolforge import ToolforgeBuilder
from tests.builders.toolforge.builds_service import BuildsService
from tests.builders.toolforge.misbehaving import Fault, Html
from tests.conftest import NOON
from tests.factories import TOOL, build_request

BUILDS = f"/builds/v1/tool/{TOOL}/builds"
START, LIST = ("POST", BUILDS), ("GET", BUILDS)

DOUBTS: list[Fault] = [500, 502, 504, Html(200), Html(502), Html(503), "before", "late", 302]
"""Any fault after which a start may still be executed."""


def first() -> BuildRequest:
    """A request without an earlier attempt, from now."""
    return replace(build_request(), repeated=False, first_attempt=datetime.now(UTC))


@pytest.mark.looptime
@pytest.mark.parametrize("seconds", [7, 60])
async def test_a_slow_start_within_its_timeout_succeeds(
    builder: ToolforgeBuilder, service: BuildsService, seconds: float
) -> None:
    service.resolving = lambda ref: asyncio.sleep(seconds)
    state = await builder.start(first())
    assert [each.id for each in service.builds] == [state.id]
    assert service.requests == [START]


@pytest.mark.looptime
async def test_a_start_that_times_out_is_searched_once_and_not_repeated(
    builder: ToolforgeBuilder, service: BuildsService
) -> None:
    resolved = asyncio.Event()
    service.resolving = lambda ref: resolved.wait()
    with pytest.raises(BuilderUnavailable) as caught:
        await builder.start(first())
    assert caught.value.maybe_started
    assert service.requests == [START, LIST]
    resolved.set()
    await service.all_executed()
    assert len(service.builds) == 1


@pytest.mark.parametrize("fault", DOUBTS)
async def test_a_start_without_a_response_has_an_unknown_outcome(
    builder: ToolforgeBuilder, service: BuildsService, fault: Fault
) -> None:
    held = asyncio.Event()
    service.faults, service.lateness = [fault], held.wait
    with pytest.raises(BuilderUnavailable) as caught:
        await builder.start(first())
    assert caught.value.maybe_started
    assert service.requests == [START, LIST]
    held.set()
    await service.all_executed()


async def test_a_start_with_a_lost_response_is_found_and_not_repeated(
    builder: ToolforgeBuilder, service: BuildsService
) -> None:
    service.faults = ["after"]
    state = await builder.start(first())
    assert [each.id for each in service.builds] == [state.id]


async def test_the_last_of_many_attempts_is_found_when_its_response_is_lost(
    builder: ToolforgeBuilder, service: BuildsService
) -> None:
    service.faults = [0, "after"]
    state = await builder.start(replace(build_request(), last_attempt=NOON))
    assert [each.id for each in service.builds] == [state.id]


async def test_the_outcome_stays_unknown_if_the_search_fails(
    builder: ToolforgeBuilder, service: BuildsService
) -> None:
    service.faults = ["after", 401]
    with pytest.raises(BuilderUnavailable) as caught:
        await builder.start(first())
    assert caught.value.maybe_started


async def test_a_start_cancelled_by_its_caller_is_executed_once_and_found(
    builder: ToolforgeBuilder, service: BuildsService
) -> None:
    arrived, resolved = asyncio.Event(), asyncio.Event()

    async def resolving(ref: str) -> None:
        arrived.set()
        await resolved.wait()

    service.resolving, request = resolving, first()
    starting = asyncio.create_task(builder.start(request))
    await arrived.wait()
    starting.cancel()
    await asyncio.wait((starting,))
    broken_off = replace(request, repeated=True, last_attempt=datetime.now(UTC))
    assert await builder.find(broken_off) is None
    resolved.set()
    await service.all_executed()
    found = await builder.find(broken_off)
    assert found is not None
    assert [each.id for each in service.builds] == [found.id]


async def test_a_start_executed_late_is_found_by_a_later_search(
    builder: ToolforgeBuilder, service: BuildsService
) -> None:
    held = asyncio.Event()
    service.faults, service.lateness = ["late"], held.wait
    request = first()
    with pytest.raises(BuilderUnavailable):
        await builder.start(request)
    held.set()
    await service.all_executed()
    again = await builder.start(replace(request, repeated=True, last_attempt=datetime.now(UTC)))
    assert [each.id for each in service.builds] == [again.id]


async def test_a_repeated_start_searches_first_and_then_starts_once(
    builder: ToolforgeBuilder, service: BuildsService
) -> None:
    service.faults = [0, 500]
    with pytest.raises(BuilderUnavailable) as caught:
        await builder.start(build_request())
    assert caught.value.maybe_started
    assert service.requests == [LIST, START, LIST]


async def test_a_repeated_start_that_cannot_search_starts_nothing(
    builder: ToolforgeBuilder, service: BuildsService
) -> None:
    service.fault = lambda: 500
    with pytest.raises(BuilderUnavailable) as caught:
        await builder.start(build_request())
    assert not caught.value.maybe_started
    assert set(service.requests) == {LIST}


async def test_a_lost_response_does_not_claim_the_build_of_a_stored_deployment(
    builder: ToolforgeBuilder, service: BuildsService, another: ToolforgeBuilder
) -> None:
    stored = await another.start(first())
    service.faults = ["before"]
    with pytest.raises(BuilderUnavailable):
        await builder.start(replace(first(), key="two", taken=frozenset({stored.id})))


async def test_a_lost_response_does_not_claim_a_build_of_another_request(
    builder: ToolforgeBuilder, service: BuildsService
) -> None:
    await builder.start(first())
    service.faults = ["before"]
    with pytest.raises(BuilderUnavailable):
        await builder.start(replace(first(), key="two"))


async def test_two_starts_with_lost_responses_each_find_a_build(
    builder: ToolforgeBuilder, service: BuildsService
) -> None:
    service.faults = ["after", 0, "after", 0]
    one, two = await builder.start(first()), await builder.start(replace(first(), key="two"))
    assert {one.id, two.id} == {each.id for each in service.builds}
