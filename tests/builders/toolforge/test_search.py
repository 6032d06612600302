"""The search for the build of a request."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from backends.builders.base import BuildRequest
from backends.builders.toolforge.payloads import parameters_of
from backends.builders.toolforge.search import MAX_REMEMBERED, SKEW, Search
from tests.conftest import NOON
from tests.factories import build_request

SETTLING = timedelta(seconds=100)
SECOND = timedelta(seconds=1)
BROKEN_OFF = NOON + timedelta(seconds=30)


def build(
    build_id: str = "b",
    began: datetime | None = NOON,
    status: str = "BUILD_RUNNING",
    **parameters: Any,
) -> dict[str, Any]:
    """A build in the service's list, with the default request's parameters or other ones."""
    given = parameters_of(build_request()) | parameters
    started = {"start_time": f"{began:%Y-%m-%dT%H:%M:%SZ}"} if began else {}
    return {"build_id": build_id, "status": status, "parameters": given, **started}


def chosen(request: BuildRequest, *builds: dict[str, Any]) -> str | None:
    """Return the id of the build chosen by a process that has started none of them."""
    found = Search(SETTLING).choose(request, builds)
    return found.id if found else None


@pytest.mark.parametrize(
    "parameters",
    [
        {"image_name": "api"},
        {"ref": "main"},
        {"source_url": "https://git.example.org/other"},
        {"use_latest_versions": True},
        {"use_deprecated_versions": True},
        {"envvars": {"DEBUG": "1"}},
    ],
    ids=lambda each: next(iter(each)),
)
def test_a_build_of_another_source_does_not_match(parameters: dict[str, Any]) -> None:
    assert chosen(build_request(), build(**parameters)) is None


@pytest.mark.parametrize(
    "parameters",
    [{}, {"use_latest_versions": False}, {"envvars": {}}, {"envvars": None}, {"ref": ""}],
)
def test_an_empty_parameter_equals_a_missing_one(parameters: dict[str, Any]) -> None:
    assert chosen(build_request(), build(**parameters)) == "b"


def test_an_option_that_the_service_does_not_report_is_ignored() -> None:
    reported = build()
    assert "use_latest_versions" not in reported["parameters"]
    assert chosen(build_request(use_latest_versions=True), reported) == "b"


@pytest.mark.parametrize(
    ("began", "found"),
    [
        (NOON - SKEW - SECOND, None),
        (NOON - SKEW, "b"),
        (BROKEN_OFF, "b"),
        (BROKEN_OFF + SETTLING + SKEW, "b"),
        (BROKEN_OFF + SETTLING + SKEW + SECOND, None),
    ],
)
def test_a_build_must_have_started_during_an_attempt(began: datetime, found: str | None) -> None:
    assert chosen(replace(build_request(), last_attempt=BROKEN_OFF), build(began=began)) == found


def test_an_attempt_in_progress_can_have_started_the_build_until_now() -> None:
    assert chosen(build_request(), build(began=NOON + timedelta(days=1))) == "b"


def test_a_build_without_a_start_time_was_just_requested() -> None:
    late = replace(build_request(), last_attempt=BROKEN_OFF)
    assert chosen(late, build(began=None, status="BUILD_PENDING")) == "b"
    assert chosen(late, build(began=None, status="BUILD_SUCCESS")) is None


def test_a_build_of_a_stored_deployment_does_not_match() -> None:
    request = replace(build_request(), taken=frozenset({"a"}))
    assert chosen(request, build("a")) is None
    assert chosen(request, build("a"), build("b")) == "b"


def test_the_oldest_of_several_matching_builds_is_chosen() -> None:
    builds = [build("c", None), build("b", NOON + SECOND), build("a", NOON)]
    assert chosen(build_request(), *builds) == "a"


def test_a_build_known_to_be_the_requests_takes_precedence() -> None:
    search, request, builds = Search(SETTLING), build_request(), [build("a"), build("b")]
    known = search.choose(request, builds[1:])
    assert known is not None
    assert search.choose(request, builds) == known


def test_a_build_started_for_another_request_does_not_match() -> None:
    search = Search(SETTLING)
    assert search.choose(build_request(), [build()]) is not None
    assert search.choose(build_request(key="two"), [build()]) is None


def test_the_number_of_remembered_builds_is_limited() -> None:
    search = Search(SETTLING)
    for number in range(MAX_REMEMBERED + 1):
        assert search.choose(build_request(key=f"{number}"), [build(f"b{number}")]) is not None
    assert search.choose(build_request(key="new"), [build("b1")]) is None
    assert search.choose(build_request(key="new"), [build("b0")]) is not None
