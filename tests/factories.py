"""Factories for test data: arguments are what a test is about, the rest has ordinary values."""

from typing import Any

from backends.builders.base import BuildRequest, Source
from tests.conftest import NOON

TOOL = "mytool"


def component(**run: Any) -> dict[str, Any]:
    """A component with a repository, and with these additional fields in `run`."""
    return {
        "build": {"repository": "https://git.example.org/mytool", "ref": "main"},
        "run": {"command": "start", **run},
    }


def reusing(source: str) -> dict[str, Any]:
    """A component that reuses the build of another."""
    return {"build": {"reuse_from": source}, "run": {"command": "start"}}


def configuration(*names: str, **components: Any) -> dict[str, Any]:
    """A configuration of ordinary components with these names, and of the given components."""
    return {"components": {name: component() for name in names or ("web",)} | components}


def build_request(name: str = "web", key: str = "one", **source: Any) -> BuildRequest:
    """A request to build a component."""
    url = source.pop("repository", "https://git.example.org/mytool")
    return BuildRequest(TOOL, name, Source(url, **source), key, NOON)
