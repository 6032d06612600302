"""What a configuration asks to be built: the source of each component, or whose it reuses."""

from collections.abc import Collection, Mapping
from typing import Any

from backends.builders.base import Source


def sources(configuration: Mapping[str, Any]) -> dict[str, Source]:
    """Return the source of each component of a valid configuration that has one of its own."""
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
    """Return, for each component that reuses a build, the component whose build it is."""
    return {
        name: build["reuse_from"] for name, build in _builds(configuration) if "reuse_from" in build
    }


def selected(configuration: Mapping[str, Any], names: Collection[str]) -> dict[str, Any]:
    """Return a configuration with some of its components only, and with those that they reuse."""
    reused = reuses(configuration)
    kept = {*names, *(reused[name] for name in names if name in reused)}
    components = {name: each for name, each in configuration["components"].items() if name in kept}
    return {**configuration, "components": components}


def _builds(configuration: Mapping[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return [(name, component["build"]) for name, component in configuration["components"].items()]
