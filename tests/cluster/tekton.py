"""The parts of Tekton that the tests need: its CRD, controller statuses, and a kubelet's logs."""

import asyncio
import ssl
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import trustme
from aiohttp import web
from kubernetes_asyncio import client

from tests.cluster.objects import apply

RUNS = "/apis/tekton.dev/v1"
DEFINITION: dict[str, Any] = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "pipelineruns.tekton.dev"},
    "spec": {
        "group": "tekton.dev",
        "scope": "Namespaced",
        "names": {"kind": "PipelineRun", "plural": "pipelineruns", "singular": "pipelinerun"},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "subresources": {"status": {}},
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "x-kubernetes-preserve-unknown-fields": True,
                        "properties": {
                            "spec": {
                                "type": "object",
                                "x-kubernetes-preserve-unknown-fields": True,
                                # What Tekton's webhook rejects, as far as a schema can express it.
                                "properties": {"timeouts": {"type": "object"}},
                            }
                        },
                    }
                },
            }
        ],
    },
}


async def install(admin: client.ApiClient) -> None:
    """Create the CRD, and return once the API server serves it."""
    await apply(admin, "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", DEFINITION)
    async with asyncio.timeout(30):
        while True:
            try:
                await admin.call_api(RUNS, "GET", auth_settings=["BearerToken"])
            except client.ApiException:
                await asyncio.sleep(0.1)  # there is no event to wait for
            else:
                return


@dataclass
class Controller:
    """Sets statuses like Tekton's controller."""

    admin: client.ApiClient

    async def status(self, namespace: str, name: str, status: dict[str, Any]) -> None:
        """Set the status of a run."""
        patch: Any = client.CustomObjectsApi(self.admin).patch_namespaced_custom_object_status
        await patch(
            "tekton.dev", "v1", namespace, "pipelineruns", name, {"status": status},
            _content_type="application/merge-patch+json",
        )  # fmt: skip

    async def starts(self, namespace: str, name: str) -> None:
        """Start a run."""
        condition = {"type": "Succeeded", "status": "Unknown", "reason": "Running"}
        start = {"startTime": "2024-04-04T12:00:00Z", "conditions": [condition]}
        await self.status(namespace, name, start)

    async def ends(self, namespace: str, name: str, reason: str = "Succeeded", **more: Any) -> None:
        """End a run, with success or failure."""
        status = "True" if reason == "Succeeded" else "False"
        condition = {"type": "Succeeded", "status": status, "reason": reason}
        end = {"completionTime": "2024-04-04T12:01:00Z", "conditions": [condition], **more}
        await self.status(namespace, name, end)


@dataclass
class Kubelet:
    """A node that only has the logs of containers; the API server requests them from it."""

    node: str = field(default_factory=lambda: f"node-{uuid4().hex[:8]}")
    lines: dict[str, list[str]] = field(default_factory=dict)
    otherwise: list[str] = field(default_factory=list)
    """The lines of every container that has none of its own."""

    broken: bool = False
    more: asyncio.Event = field(default_factory=asyncio.Event)
    asked: asyncio.Event = field(default_factory=asyncio.Event)

    async def start(self, admin: client.ApiClient) -> web.AppRunner:
        """Serve on loopback, and register the node."""
        app = web.Application()
        app.router.add_get("/containerLogs/{namespace}/{pod}/{container}", self._logs)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
        await site.start()
        port = runner.addresses[0][1]
        await apply(admin, "/api/v1/nodes", {"metadata": {"name": self.node}})
        status = {
            "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": port}},
        }
        await client.CoreV1Api(admin).patch_node_status(self.node, {"status": status})
        return runner

    async def _logs(self, request: web.Request) -> web.StreamResponse:
        if self.broken:
            return web.Response(status=500)
        container = request.match_info["container"]
        response = web.StreamResponse(headers={"Content-Type": "text/plain"})
        await response.prepare(request)
        sent = 0
        while True:
            for line in self.lines.get(container, self.otherwise)[sent:]:
                sent += 1
                await response.write(line.encode() + b"\n")
            self.asked.set()
            if request.query.get("follow") != "true" or self.more.is_set():
                return response
            await self.more.wait()

    async def pod(self, admin: client.ApiClient, namespace: str, run: str, *steps: str) -> None:
        """Create the pod of a run's task, like Tekton."""
        containers = [{"name": f"step-{each}", "image": "x"} for each in steps]
        await apply(
            admin,
            f"/api/v1/namespaces/{namespace}/pods",
            {
                "metadata": {
                    "name": f"{run[:40]}-pod",
                    "labels": {"tekton.dev/pipelineRun": run},
                },
                "spec": {
                    "nodeName": self.node,
                    "containers": [*containers, {"name": "sidecar", "image": "x"}],
                },
            },
        )
