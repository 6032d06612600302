"""The calls that the service made, made once more: bare, and one after another."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePath

from bench.cluster import Call, Cluster, Json
from tests.cluster.conftest import PREFIX


@dataclass(frozen=True, slots=True)
class Recorded:
    """What the service did for a tool: its calls, and the documents before and after them."""

    tool: str
    calls: tuple[Call, ...]
    before: dict[str, Json]
    after: dict[str, Json]


async def documents(of: Cluster, tool: str) -> dict[str, Json]:
    """Return the documents of a tool by name, as another tool may create them."""
    stored = await of.call("GET", secrets(tool))
    return {each["metadata"]["name"]: _as_new(each) for each in stored["items"]}


async def seconds_of(of: Cluster, recorded: Recorded, new: str) -> float:
    """Make the calls again for a new tool with the same documents before; return their time."""
    await of.make_namespaces([new])
    for each in recorded.before.values():
        await of.call("POST", secrets(new), each)
    created = iter([e for name, e in recorded.after.items() if name not in recorded.before])
    total = 0.0
    for call in recorded.calls:
        path = call.path.replace(secrets(recorded.tool), secrets(new))
        body = _body(call, created, recorded.after)
        began = time.perf_counter()
        await of.call(call.method, path, body)
        total += time.perf_counter() - began
    return total


def secrets(tool: str) -> str:
    """Return the path of a tool's documents."""
    return f"/api/v1/namespaces/{PREFIX}{tool}/secrets"


def _body(call: Call, created: Iterator[Json], after: dict[str, Json]) -> Json | None:
    if call.method == "POST":
        return next(created)
    if call.method == "PUT":
        return after[PurePath(call.path).name]
    return None


def _as_new(secret: Json) -> Json:
    metadata = {name: secret["metadata"].get(name) for name in ("name", "labels")}
    # One that is sealed in the end could not be replaced before.
    return {**secret, "metadata": metadata, "immutable": False}
