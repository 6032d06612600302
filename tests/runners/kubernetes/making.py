"""What the tests of this runner make: requests, contents, and objects as they are stored."""

from typing import Any

from backends.runners.base import Fence, Origin, RunRequest, RunSpec, Wanted
from backends.runners.kubernetes.kinds import Json, Kind
from backends.runners.kubernetes.objects import contents_of, object_of
from backends.runners.kubernetes.record import Made, Record, annotations_of
from backends.runners.kubernetes.settings import Settings
from backends.runners.kubernetes.template import parse_template
from tests.conftest import NOON
from tests.factories import TOOL

IMAGE = "registry.example.org/web@sha256:" + "0" * 64
TEMPLATE = 'publish: {kind: Ingress, host: "${tool}.example.org"}'


def wanted(revision: str = "", **spec: Any) -> Wanted:
    return Wanted(IMAGE, RunSpec(**{"command": "serve", **spec}), revision)


def contents(
    state: Wanted, template: str = TEMPLATE, component: str = "web", **settings: Any
) -> dict[Kind, Json]:
    return contents_of(TOOL, component, state, parse_template(template), Settings(**settings))


def request_for(state: Wanted, deployment: str = "one", component: str = "web") -> RunRequest:
    fence = Fence(NOON, deployment)
    return RunRequest(TOOL, component, state, Origin(deployment, "c" * 40), fence)


def recorded(state: Wanted, content: Json, before: Made | None = None) -> Record:
    request = request_for(state)
    return Record(Made(state, content, NOON), request.origin, request.fence, before)


def stored(kind: Kind, record: Record, **metadata: Any) -> Json:
    """An object of ours as the API server has it."""
    found = object_of(kind, TOOL, "web", record.made.content, annotations_of(record))
    found["metadata"] |= {"resourceVersion": "1", "uid": "u", "generation": 1, **metadata}
    return found
