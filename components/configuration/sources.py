"""The sources of a configuration: what each component builds, or whose build it reuses."""

from collections.abc import Collection, Mapping
from typing import Any

from backends.builders.base import Source


def sources(configuration: Mapping[str, Any]) -> dict[str, Source]:
    """Return the source of each component that has a repository, for a valid configuration."""
    return {
        name: Source(
            repository=build["repository"],
            ref=build.get("ref"),
            use_latest_versions=build.get("use_latest_versions"),
            use_deprecated_versions=build.get("use_deprecated_versions"),
        )
        for name, build in _builds(configuration)
        if "reuse_from" not in build
    }


def reuses(configuration: Mapping[str, Any]) -> dict[str, str]:
    """Return, for each component that reuses a build, the component that is built."""
    return {
        name: build["reuse_from"] for name, build in _builds(configuration) if "reuse_from" in build
    }


def selected(configuration: Mapping[str, Any], names: Collection[str]) -> dict[str, Any]:
    """Return a configuration with only some of its components, and with those that they reuse."""
    reused = reuses(configuration)
    included = {*names, *(reused[name] for name in names if name in reused)}
    components = {
        name: each for name, each in configuration["components"].items() if name in included
    }
    return {**configuration, "components": components}


def _builds(configuration: Mapping[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return [(name, component["build"]) for name, component in configuration["components"].items()]
