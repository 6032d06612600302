"""Finds builds that need not be made again: of the same commit, with the same options.

All builds of an image have the same name, and the last one that succeeds has it. A build is only of
use if that is the one, or will be.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from backends.builders.base import BuildState, Source
from backends.builders.toolforge.payloads import is_under_way, state_of, time_of

_OPTIONS = ("use_latest_versions", "use_deprecated_versions", "envvars")
_LATEST = datetime.max.replace(tzinfo=UTC)

Json = Mapping[str, Any]


def existing_builds(
    builds: Sequence[Json], wanted: Mapping[str, Source]
) -> Mapping[str, BuildState]:
    """Return the builds to use, by component; the ref of each source is a commit.

    A finished one is used if it was the last one to succeed; otherwise one that still runs, if all
    that run are of this commit.
    """
    found = {name: _existing(builds, name, source) for name, source in wanted.items()}
    return {name: state_of(build, str(build["build_id"])) for name, build in found.items() if build}


def _existing(builds: Iterable[Json], component: str, source: Source) -> Json | None:
    of_image = [each for each in builds if _parameters(each).get("image_name") == component]
    under_way = [each for each in of_image if is_under_way(each)]
    if not all(_is_of(each, source) for each in under_way):
        return None
    succeeded = [each for each in of_image if each.get("status") == "BUILD_SUCCESS"]
    latest = max(map(_end, succeeded), default=_LATEST)
    last = [each for each in succeeded if _end(each) == latest]  # times are whole seconds
    if last and all(_is_of(each, source) for each in last):
        return last[0]
    known = [each for each in under_way if each.get("status") != "BUILD_UNKNOWN"]
    return min(known, key=_start, default=None)


def _is_of(build: Json, source: Source) -> bool:
    """Whether a build is of a commit with the same options; without one, it has its default."""
    options = {
        "use_latest_versions": source.use_latest_versions,
        "use_deprecated_versions": source.use_deprecated_versions,
    }
    given = _parameters(build)
    return build.get("resolved_ref") == source.ref and all(
        (given.get(name) or None) == (options.get(name) or None) for name in _OPTIONS
    )


def _parameters(build: Json) -> Json:
    given = build.get("parameters")
    return given if isinstance(given, dict) else {}


def _start(build: Json) -> datetime:
    return time_of(build.get("start_time")) or _LATEST


def _end(build: Json) -> datetime:
    return time_of(build.get("end_time")) or _LATEST
