"""Requests and responses of the builds service, converted from and to our own types."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from backends.builders.base import BuildRequest, BuildState, BuildStatus, Built, Source
from backends.toolforge.errors import NoResponse

_STATUSES = {
    "BUILD_PENDING": BuildStatus.PENDING,
    "BUILD_RUNNING": BuildStatus.RUNNING,
    "BUILD_SUCCESS": BuildStatus.FINISHED,
    "BUILD_FAILURE": BuildStatus.ERROR,
    "BUILD_TIMEOUT": BuildStatus.ERROR,
    "BUILD_CANCELLED": BuildStatus.CANCELLED,
}


def parameters_of(request: BuildRequest) -> dict[str, Any]:
    """Return the service's `BuildParameters`, without what the configuration does not set."""
    source = request.source
    optional = {
        "ref": source.ref,
        "use_latest_versions": source.use_latest_versions,
        "use_deprecated_versions": source.use_deprecated_versions,
    }
    given = {name: value for name, value in optional.items() if value is not None}
    return {"source_url": source.repository, "image_name": request.component, **given}


def started(answer: dict[str, Any]) -> BuildState:
    """Return the build of a `StartResponse`. Raises `NoResponse` if it has none."""
    build = answer.get("new_build")
    if not isinstance(build, dict) or not build.get("name"):
        raise NoResponse("the builds service did not say which build it started")
    return BuildState(
        str(build["name"]),
        BuildStatus.PENDING,
        _log_hint(str(build["name"])),
        commit=build.get("resolved_ref") or None,
    )


def update_of(build: Mapping[str, Any]) -> BuildState | None:
    """Return the state in a `Build`; None if its status is unknown."""
    known = build.get("status") in _STATUSES
    return state_of(build, str(build["build_id"])) if known else None


def is_under_way(build: Mapping[str, Any]) -> bool:
    """Whether a `Build` has not ended, as far as is known."""
    status = _STATUSES.get(str(build.get("status")))
    return status is None or not status.is_final


def built_of(builds: Iterable[Mapping[str, Any]]) -> tuple[Built, ...]:
    """Return builds as our own type, newest first, without those that do not say their source."""
    newest_first = sorted(
        builds, key=lambda each: time_of(each.get("start_time")) or _LATEST, reverse=True
    )
    return tuple(filter(None, map(_built, newest_first)))


def _built(build: Mapping[str, Any]) -> Built | None:
    given = build.get("parameters")
    told = given if isinstance(given, dict) else {}
    name, repository = told.get("image_name"), told.get("source_url")
    if not (isinstance(name, str) and name and isinstance(repository, str) and repository):
        return None
    ref = told.get("ref")
    options = (told.get(each) for each in ("use_latest_versions", "use_deprecated_versions"))
    source = Source(
        repository,
        ref if isinstance(ref, str) and ref else None,
        # False is the service's default, and says no more than leaving it out.
        *(each if each is True else None for each in options),
    )
    status = _STATUSES.get(str(build.get("status")), BuildStatus.PENDING)
    return Built(name, source, status, _image_of(build)[0])


_LATEST = datetime.max.replace(tzinfo=UTC)


def state_of(build: Mapping[str, Any], build_id: str) -> BuildState:
    """Return a `Build` as our own type, with a hint on how to read its log."""
    status = _STATUSES.get(str(build.get("status")), BuildStatus.PENDING)
    message = "" if status is BuildStatus.FINISHED else _log_hint(build_id)
    if status is BuildStatus.ERROR:
        why = build.get("message") or "the build failed"
        if build.get("status") == "BUILD_TIMEOUT":
            why = f"the build took too long: {why}"
        message = f"{why}; {message}"
    image, digest = _image_of(build) if status is BuildStatus.FINISHED else (None, None)
    return BuildState(
        build_id,
        status,
        message,
        started=time_of(build.get("start_time")),
        ended=time_of(build.get("end_time")) if status.is_final else None,
        commit=build.get("resolved_ref") or None,
        image=image,
        digest=digest,
    )


def _image_of(build: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """Return the name of a build's image, and its digest if the name contains it.

    No other field has the digest; the service itself uses a tag that the next build overwrites.
    """
    name, _, digest = str(build.get("destination_image") or "").partition("@")
    return name or None, digest or None


def _log_hint(build_id: str) -> str:
    return f"its log: toolforge build logs {build_id}"


def time_of(text: object) -> datetime | None:
    """Parse a time of the service (ISO 8601, UTC by default); None if it is not one."""
    try:
        time = datetime.fromisoformat(str(text))
        return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
