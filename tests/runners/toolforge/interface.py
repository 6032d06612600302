"""Validates every exchange with the fake jobs service against the interface we use.

The interface is `jobs-api.yaml` and, if available, the OpenAPI file that the service publishes.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from tests.builders.toolforge.interface import Document, Interface
from tests.conftest import SHARED

OURS = Path(__file__).with_name("jobs-api.yaml")
PUBLISHED = SHARED / "toolforge/jobs-api.openapi.yaml"


def published() -> dict[str, Any]:
    """Return the published file, in which a status may be that of several kinds of job."""
    document: dict[str, Any] = yaml.safe_load(PUBLISHED.read_text())
    # Each of the three matches what the others do: with `oneOf`, no status would be valid.
    job = document["components"]["schemas"]["DefinedCommonJob"]["allOf"][1]
    status = job["properties"]["status"]
    status["anyOf"] = status.pop("oneOf")
    return document


def documents() -> Iterator[Document]:
    """Yield ours, and the published one if it exists."""
    yield Document.load(OURS, {}, "jobs")
    if PUBLISHED.exists():
        yield Document.of(published(), {}, "jobs")


def jobs_interface() -> Interface:
    """Return a middleware that collects violations of the interface."""
    return Interface(documents())
