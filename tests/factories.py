"""Small values to test with; each argument is what the test is about, the rest is ordinary."""

from typing import Any

from backends.builders.base import BuildRequest, Source
from tests.conftest import NOON

TOOL = "mytool"


def component(**run: Any) -> dict[str, Any]:
    """A component with a source of its own; `run` adds to its `run`."""
    return {
        "build": {"repository": "https://git.example.org/mytool", "ref": "main"},
        "run": {"command": "start", **run},
    }


def reusing(source: str) -> dict[str, Any]:
    """A component that reuses the build of another."""
    return {"build": {"reuse_from": source}, "run": {"command": "start"}}


def configuration(*names: str, **components: Any) -> dict[str, Any]:
    """A configuration of ordinary components by name, and of those given."""
    return {"components": {name: component() for name in names or ("web",)} | components}


def build_request(name: str = "web", key: str = "one", **source: Any) -> BuildRequest:
    """A request to build a component."""
    url = source.pop("repository", "https://git.example.org/mytool")
    return BuildRequest(TOOL, name, Source(url, **source), key, NOON)
