"""Two tools whose objects really move: they get Pods, which do as their images ask."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from uuid import uuid4

from kubernetes_asyncio import client

from backends.runners.base import Runner, Running
from tests.cluster.apiserver import ADMINISTRATOR, ApiServer
from tests.cluster.installation import MERGE, Caller, Json, make_namespace
from tests.cluster.scheduler import scheduling
from tests.cluster.stages import COME_UP, Fate, image
from tests.cluster.tekton import Kubelet

PREFIX = "tool-"
RESTRICTED = {"pod-security.kubernetes.io/enforce": "restricted"}
APPS, BATCH = "/apis/apps/v1", "/apis/batch/v1"
LAST_LINES = ["serving", "out of luck"]
"""What is in the log of every container."""

Seen = Callable[[Mapping[str, Running]], bool]


@dataclass(frozen=True)
class Ground:
    """Namespaces in which only restricted Pods may be, on a Node that runs them."""

    admin: Caller
    kubelet: Kubelet
    tool: str
    other_tool: str

    def path(self, kind: str, name: str = "", group: str = "/api/v1") -> str:
        """Return the path of the tool's objects of a kind, or of one of them."""
        return f"{group}/namespaces/{PREFIX}{self.tool}/{kind}" + (f"/{name}" if name else "")

    async def items(self, path: str) -> list[Json]:
        """Return all objects at a path."""
        status, answer = await self.admin.call("GET", path)
        assert status == 200, answer
        found: list[Json] = answer["items"]
        return found

    async def object(self, path: str) -> Json:
        """Return the object at a path."""
        status, answer = await self.admin.call("GET", path)
        assert status == 200, answer
        return answer

    async def make(self, path: str, body: Json) -> Json:
        """Make an object as the administrator."""
        status, answer = await self.admin.call("POST", path, body)
        assert status == 201, answer
        return answer

    async def change(self, path: str, body: Json) -> None:
        """Change an object as somebody does with kubectl."""
        status, answer = await self.admin.call(
            "PATCH", path, body, MERGE, fieldManager="kubectl-edit"
        )
        assert status == 200, answer

    async def come_up(self) -> None:
        """Let the next slow Pod come up: the one that is there, or the next to be made."""
        event = await self.admin.until(self.path("pods"), _waits)
        pod = self.path("pods", event["object"]["metadata"]["name"])
        await self.change(pod, {"metadata": {"annotations": {COME_UP: "now"}}})

    async def until(self, runner: Runner, tool: str, seen: Seen) -> Mapping[str, Running]:
        """Return the first list of a runner in which something is seen."""
        if seen(found := await runner.list(tool)):
            return found
        moved = asyncio.Event()
        kinds = ((APPS, "deployments"), (BATCH, "cronjobs"), (BATCH, "jobs"), ("/api/v1", "pods"))
        async with AsyncExitStack() as stack:
            for group, kind in kinds:
                path = f"{group}/namespaces/{PREFIX}{tool}/{kind}"
                events = await stack.enter_async_context(self.admin.watching(path))
                await stack.enter_async_context(following(events, lambda _: moved.set()))
            # Only now: what moves from here on is told.
            while not seen(found := await runner.list(tool)):
                await moved.wait()
                moved.clear()
        return found


@asynccontextmanager
async def following(
    events: AsyncIterator[Json], told: Callable[[Json], object]
) -> AsyncIterator[None]:
    """Tell each event as it comes."""

    async def follow() -> None:
        async for event in events:
            told(event)

    task = asyncio.create_task(follow())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def ground(server: ApiServer, admin: client.ApiClient) -> AsyncIterator[Ground]:
    """Make the namespaces and the Node; what was in them is deleted at the end."""
    caller = Caller(server, f"{ADMINISTRATOR}-token")
    tools = [f"{each}-{uuid4().hex[:8]}" for each in ("runs", "idle")]
    namespaces = [f"{PREFIX}{each}" for each in tools]
    for each in namespaces:
        await make_namespace(caller, each, **RESTRICTED)
    kubelet = Kubelet(otherwise=LAST_LINES)
    served = await kubelet.start(admin)
    try:
        async with scheduling(caller, kubelet.node, *namespaces):
            yield Ground(caller, kubelet, tools[0], tools[1])
    finally:
        kubelet.more.set()
        for each in namespaces:
            await caller.call("DELETE", f"/api/v1/namespaces/{each}")
        await served.cleanup()


def _waits(event: Json) -> bool:
    pod = event["object"]
    return (
        event["type"] != "DELETED"
        and "deletionTimestamp" not in pod["metadata"]
        and pod["spec"]["containers"][0]["image"] == image(Fate.SLOW)
        and COME_UP not in pod["metadata"].get("annotations", {})
    )
