"""Finds the build of a request. The service has no keys, so by source and time.

A build of the same source for another deployment looks the same. Builds known to belong to others
are excluded: by the engine, from the store, and here, from what this process has started or found.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from backends.builders.base import BuildRequest, BuildState
from backends.builders.toolforge.payloads import parameters_of, state_of, time_of

SKEW = timedelta(seconds=2)
"""The tolerance between the clocks of the service, which writes whole seconds, and the store."""

MAX_REMEMBERED = 10_000
"""For how many builds the request is remembered: many times those of an hour."""

_NAMES = ("image_name", "source_url", "ref")
_OPTIONS = ("use_latest_versions", "use_deprecated_versions", "envvars")
_LATEST = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Search:
    """Finds builds; a request may be executed until `settling` after it was aborted."""

    settling: timedelta
    _keys: dict[tuple[str, str], str] = field(default_factory=dict)

    def note(self, request: BuildRequest, state: BuildState) -> BuildState:
        """Remember that a build belongs to a request; return it."""
        self._keys[request.tool, state.id] = request.key
        if len(self._keys) > MAX_REMEMBERED:
            del self._keys[next(iter(self._keys))]
        return state

    def choose(
        self, request: BuildRequest, builds: Iterable[Mapping[str, Any]]
    ) -> BuildState | None:
        """Return the build of a request, out of all builds of the tool; None if there is none.

        Among several, the one known to belong to the request, or else the oldest.
        """
        wanted = parameters_of(request)
        found = []
        for build in builds:
            build_id = str(build["build_id"])
            key = self._keys.get((request.tool, build_id))
            free = key in (None, request.key) and build_id not in request.taken
            if free and _is_of(build, wanted) and self._is_in_time(build, request):
                order = (key is None, time_of(build.get("start_time")) or _LATEST)
                found.append((order, build_id, build))
        if not found:
            return None
        _, build_id, build = min(found, key=lambda each: each[:2])
        return self.note(request, state_of(build, build_id))

    def _is_in_time(self, build: Mapping[str, Any], request: BuildRequest) -> bool:
        began = time_of(build.get("start_time"))
        if began is None:  # it has only just been requested
            return not state_of(build, "").status.is_final
        until = _LATEST
        if request.last_attempt is not None:
            until = request.last_attempt + self.settling + SKEW
        return request.first_attempt - SKEW <= began <= until


def _is_of(build: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Whether a build has the same source. The service may not report all options."""
    given = build.get("parameters")
    reported = given if isinstance(given, dict) else {}
    return all((reported.get(name) or "") == wanted.get(name, "") for name in _NAMES) and all(
        (reported[name] or None) == (wanted.get(name) or None)
        for name in _OPTIONS
        if name in reported
    )
