"""The log of a run: those of its pods, one after the other, step by step."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any

from kubernetes_asyncio import client

from backends.kube.answers import a_list
from backends.kube.connection import KubeConnection
from backends.kube.errors import KubeInvalid, KubeNotFound
from backends.kube.pod_logs import container_lines

LOOK_SECONDS = 2.0
"""How often it is looked for the next step of a run that is followed."""


async def run_lines(
    kube: KubeConnection,
    namespace: str,
    name: str,
    is_final: Callable[[], Awaitable[bool]],
    *,
    follow: bool,
) -> AsyncGenerator[str, None]:
    """Yield the lines of a run's steps in the order in which they ran; if `follow`, to its end."""
    core = client.CoreV1Api(kube.client)
    told: set[tuple[str, str]] = set()
    while True:
        # Asked before the pods are: whatever ran by then is among them.
        final = await is_final()
        of_run = f"tekton.dev/pipelineRun={name}"
        pods = await kube.call(
            core.list_namespaced_pod, namespace, reading=a_list, label_selector=of_run
        )
        for pod, step in _steps(pods.body["items"]):
            if (pod, step) in told:
                continue
            try:
                async for line in container_lines(kube, namespace, pod, step, follow=follow):
                    yield line
            except (KubeInvalid, KubeNotFound):
                # It has not begun yet, or its pod is gone.
                if not final and follow:
                    break
            told.add((pod, step))
        if final or not follow:
            return
        await asyncio.sleep(LOOK_SECONDS)


def _steps(pods: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """Return the pods and containers in which steps run, in their order."""

    def begun(pod: dict[str, Any]) -> tuple[str, str]:
        status = pod.get("status") or {}
        return (status.get("startTime") or "9", pod["metadata"]["name"])

    return [
        (pod["metadata"]["name"], container["name"])
        for pod in sorted(pods, key=begun)
        for container in pod["spec"]["containers"]
        if container["name"].startswith("step-")
    ]
