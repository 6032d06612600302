"""What the builds service is asked when a build is started, and what its answers mean."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from backends.builders.base import BuilderUnavailable, BuildRejected, BuildRequest, NoFreeSlot
from backends.builders.toolforge import ToolforgeBuilder
from tests.builders.toolforge.builds_service import REFUSED_REF, BuildsService
from tests.factories import TOOL, build_request

STARTS = ("POST", f"/builds/v1/tool/{TOOL}/builds")


async def test_only_what_the_configuration_has_is_passed_on(
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


async def test_a_first_attempt_is_one_call(
    builder: ToolforgeBuilder, service: BuildsService
) -> None:
    await builder.start(replace(build_request(), repeated=False))
    assert service.requests == [STARTS]


async def test_the_commit_is_told_as_the_service_resolved_it(builder: ToolforgeBuilder) -> None:
    assert (await builder.start(build_request())).commit == "0123456789abcdef"


async def test_a_refusal_is_passed_on_word_for_word(builder: ToolforgeBuilder) -> None:
    with pytest.raises(BuildRejected) as caught:
        await builder.start(build_request(ref=REFUSED_REF))
    assert str(caught.value) == "unable to resolve ref 'no-such-ref'"


async def test_a_full_service_is_no_error_and_is_not_asked_again(
    builder: ToolforgeBuilder, service: BuildsService
) -> None:
    service.slots = 0
    with pytest.raises(NoFreeSlot, match="You already have 4 builds running"):
        await builder.start(replace(build_request(), repeated=False))
    assert service.requests == [STARTS]


@pytest.mark.parametrize("fault", [429, 500, 502, 503, 504, "before"])
async def test_a_failure_that_may_pass_is_tried_again(
    builder: ToolforgeBuilder, service: BuildsService, fault: int | str
) -> None:
    service.faults = [fault]
    await builder.start(replace(build_request(), repeated=False))
    assert len(service.builds) == 1


async def test_a_failure_that_does_not_pass_is_told_once_time_is_up(
    builder: ToolforgeBuilder, service: BuildsService
) -> None:
    service.fault = lambda: 503
    service.retry_after = "60"
    with pytest.raises(BuilderUnavailable, match="the builds service answered 503: injected"):
        await builder.start(build_request())
    assert len(service.requests) == 1, "it is not asked before it wants to be"


@pytest.mark.parametrize("status", [401, 403])
async def test_a_certificate_that_is_not_accepted_is_for_the_operator(
    builder: ToolforgeBuilder,
    service: BuildsService,
    status: int,
    caplog: pytest.LogCaptureFixture,
) -> None:
    service.faults = [status]
    with pytest.raises(BuilderUnavailable, match="does not accept this service's certificate"):
        await builder.start(replace(build_request(), repeated=False))
    assert "COMPONENTS_TOOLFORGE_CERT" in caplog.text


async def test_a_start_whose_answer_was_lost_is_found_and_not_repeated(
    builder: ToolforgeBuilder, service: BuildsService
) -> None:
    service.faults = ["after"]
    now = datetime.now(UTC)
    state = await builder.start(replace(build_request(), repeated=False, first_attempt=now))
    assert [each.id for each in service.builds] == [state.id]


async def test_another_process_finds_what_was_started(
    builder: ToolforgeBuilder, service: BuildsService
) -> None:
    now = datetime.now(UTC)
    first = await builder.start(replace(build_request(), repeated=False, first_attempt=now))
    again = await builder.start(replace(build_request(), repeated=True, first_attempt=now))
    assert again.id == first.id


@pytest.mark.parametrize(
    "other",
    [
        build_request("api"),
        build_request("web", ref="main"),
        build_request("web", repository="https://git.example.org/other"),
    ],
    ids=["image", "ref", "repository"],
)
async def test_a_build_of_something_else_is_not_taken_for_ours(
    builder: ToolforgeBuilder, service: BuildsService, other: BuildRequest
) -> None:
    now = datetime.now(UTC)
    await builder.start(replace(other, first_attempt=now))
    await builder.start(replace(build_request(), first_attempt=now))
    assert len(service.builds) == 2


async def test_a_build_from_before_our_first_attempt_is_not_taken_for_ours(
    builder: ToolforgeBuilder, service: BuildsService
) -> None:
    await builder.start(build_request())
    later = datetime.now(UTC) + timedelta(seconds=10)
    await builder.start(replace(build_request(), first_attempt=later))
    assert len(service.builds) == 2


async def test_what_was_never_started_is_not_found(
    builder: ToolforgeBuilder, service: BuildsService
) -> None:
    assert await builder.find(build_request()) is None
    assert service.builds == []
