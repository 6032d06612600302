"""States and logs of builds on the builds service, including lost ones."""

import json
from datetime import UTC, datetime

import pytest

from backends.builders.base import BuilderUnavailable, BuildNotFound, BuildStatus
from backends.builders.toolforge import ToolforgeBuilder
from backends.builders.toolforge.builder import LOST
from backends.builders.toolforge.payloads import time_of, update_of
from backends.toolforge.api import MAX_LINE_BYTES
from tests.builders.toolforge.builds_service import BuildsService
from tests.factories import TOOL, build_request


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("BUILD_PENDING", BuildStatus.PENDING),
        ("BUILD_RUNNING", BuildStatus.RUNNING),
        ("BUILD_SUCCESS", BuildStatus.FINISHED),
        ("BUILD_FAILURE", BuildStatus.ERROR),
        ("BUILD_TIMEOUT", BuildStatus.ERROR),
        ("BUILD_CANCELLED", BuildStatus.CANCELLED),
    ],
)
def test_each_status_is_mapped(theirs: str, ours: BuildStatus) -> None:
    state = update_of({"build_id": "b", "status": theirs})
    assert state is not None
    assert state.status is ours


@pytest.mark.parametrize("status", ["BUILD_UNKNOWN", "BUILD_SOMETHING_NEW", None])
def test_an_unknown_status_is_no_update(status: str | None) -> None:
    assert update_of({"build_id": "b", "status": status}) is None


def test_the_message_says_how_to_read_the_log() -> None:
    state = update_of({"build_id": "b-1", "status": "BUILD_FAILURE", "message": "step failed"})
    assert state is not None
    assert state.message == "step failed; its log: toolforge build logs b-1"


@pytest.mark.parametrize(
    ("destination", "image", "digest"),
    [
        ("registry.example.org/web:latest", "registry.example.org/web:latest", None),
        ("registry.example.org/web@sha256:1", "registry.example.org/web", "sha256:1"),
        ("", None, None),
    ],
)
def test_a_digest_is_only_known_if_the_service_reports_it(
    destination: str, image: str | None, digest: str | None
) -> None:
    state = update_of(
        {"build_id": "b", "status": "BUILD_SUCCESS", "destination_image": destination}
    )
    assert state is not None
    assert (state.image, state.digest) == (image, digest)
    assert not ToolforgeBuilder.unique_images


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2024-04-04T12:00:00Z", datetime(2024, 4, 4, 12, tzinfo=UTC)),
        ("2024-04-04T12:00:00", datetime(2024, 4, 4, 12, tzinfo=UTC)),
        ("2024-04-04T14:00:00+02:00", datetime(2024, 4, 4, 12, tzinfo=UTC)),
        ("", None),
        ("yesterday", None),
        ("0001-01-01T00:00:00+02:00", None),
        (None, None),
    ],
)
def test_times_of_the_service_are_parsed(text: str | None, time: datetime | None) -> None:
    assert time_of(text) == time


async def test_get_makes_one_call_for_any_number_of_builds(
    builder: ToolforgeBuilder, service: BuildsService
) -> None:
    ids = [(await builder.start(build_request(f"c{n}", f"k{n}"))).id for n in range(4)]
    service.requests.clear()
    states = await builder.get(TOOL, ids)
    assert {state.status for state in states.values() if state} == {BuildStatus.RUNNING}
    assert service.requests == [("GET", f"/builds/v1/tool/{TOOL}/builds")]


async def test_a_build_missing_in_the_list_is_requested_once_by_id(
    builder: ToolforgeBuilder, service: BuildsService
) -> None:
    build_id = (await builder.start(build_request())).id
    service.builds.clear()
    service.requests.clear()
    state = (await builder.get(TOOL, [build_id]))[build_id]
    assert state is not None
    assert (state.status, state.message, state.lost) == (BuildStatus.ERROR, LOST, True)
    assert service.requests[1:] == [("GET", f"/builds/v1/tool/{TOOL}/builds/{build_id}")]


async def test_a_build_deleted_by_the_service_is_lost(
    builder: ToolforgeBuilder, service: BuildsService
) -> None:
    ids = [(await builder.start(build_request(f"c{n}", f"k{n}"))).id for n in range(3)]
    for build in service.builds:
        build.end("BUILD_SUCCESS")
    await builder.start(build_request("more", "more"))
    states = await builder.get(TOOL, ids)
    assert [state.lost for state in states.values() if state] == [True, True, False]


async def test_a_build_whose_request_fails_has_no_update(
    builder: ToolforgeBuilder, service: BuildsService
) -> None:
    listed = (await builder.start(build_request())).id
    service.faults = [0, 503]  # the first request succeeds
    states = await builder.get(TOOL, [listed, "another"])
    assert states["another"] is None
    assert states[listed] is not None


async def test_an_unavailable_service_is_reported_without_its_address(
    builder: ToolforgeBuilder, service: BuildsService
) -> None:
    service.fault = lambda: "before"
    with pytest.raises(BuilderUnavailable) as caught:
        await builder.get(TOOL, ["x"])
    assert "the builds service does not respond" in str(caught.value)
    assert "127.0.0.1" not in str(caught.value)


async def test_log_lines_are_unwrapped(builder: ToolforgeBuilder) -> None:
    build_id = (await builder.start(build_request())).id
    lines = [line async for line in builder.log(TOOL, build_id)]
    assert lines == ["[step-clone] cloning"]


async def test_an_endless_line_is_not_held_in_memory(
    builder: ToolforgeBuilder, service: BuildsService
) -> None:
    build_id = (await builder.start(build_request())).id
    service.builds[0].lines = ["x" * MAX_LINE_BYTES * 4]
    pieces = [line async for line in builder.log(TOOL, build_id)]
    assert len(pieces) > 1
    assert "".join(pieces).count("x") == MAX_LINE_BYTES * 4


async def test_an_error_in_the_middle_of_a_log_is_raised(
    builder: ToolforgeBuilder, service: BuildsService
) -> None:
    build_id = (await builder.start(build_request())).id
    service.builds[0].lines.append("last")
    service.broken_log = json.dumps({"error": ["the pod is gone"]})
    lines = builder.log(TOOL, build_id)
    assert [await anext(lines), await anext(lines)] == ["[step-clone] cloning", "last"]
    with pytest.raises(BuilderUnavailable, match="the pod is gone"):
        await anext(lines)


async def test_the_log_of_an_unknown_id_is_not_found(builder: ToolforgeBuilder) -> None:
    with pytest.raises(BuildNotFound, match="no longer knows"):
        await anext(builder.log(TOOL, "../../other/builds/x"))


async def test_ping_reports_an_unhealthy_service(
    builder: ToolforgeBuilder, service: BuildsService
) -> None:
    service.healthy = False
    with pytest.raises(BuilderUnavailable, match="responded with 503"):
        await builder.ping()
