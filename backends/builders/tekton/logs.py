"""The log of a run: the logs of its pods, in order, step by step."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any

from kubernetes_asyncio import client

from backends.kube.connection import KubeConnection
from backends.kube.errors import KubeInvalid, KubeNotFound
from backends.kube.pod_logs import container_lines
from backends.kube.responses import object_list

POLL_SECONDS = 2.0
"""How often a followed run is checked for its next step."""


async def run_lines(
    kube: KubeConnection,
    namespace: str,
    name: str,
    is_final: Callable[[], Awaitable[bool]],
    *,
    follow: bool,
) -> AsyncGenerator[str, None]:
    """Yield the lines of a run's steps in the order of execution; if `follow`, until it ends."""
    core = client.CoreV1Api(kube.client)
    finished: set[tuple[str, str]] = set()
    while True:
        # Check this before listing the pods, so that the list has all that ran.
        final = await is_final()
        of_run = f"tekton.dev/pipelineRun={name}"
        pods = await kube.call(
            core.list_namespaced_pod, namespace, parse=object_list, label_selector=of_run
        )
        for pod, step in _steps(pods.body["items"]):
            if (pod, step) in finished:
                continue
            try:
                async for line in container_lines(kube, namespace, pod, step, follow=follow):
                    yield line
            except (KubeInvalid, KubeNotFound):
                # It has not started yet, or its pod was deleted.
                if not final and follow:
                    break
            finished.add((pod, step))
        if final or not follow:
            return
        await asyncio.sleep(POLL_SECONDS)


def _steps(pods: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """Return the pods and containers that run steps, in order."""

    def begun(pod: dict[str, Any]) -> tuple[str, str]:
        status = pod.get("status") or {}
        return (status.get("startTime") or "9", pod["metadata"]["name"])

    return [
        (pod["metadata"]["name"], container["name"])
        for pod in sorted(pods, key=begun)
        for container in pod["spec"]["containers"]
        if container["name"].startswith("step-")
    ]
