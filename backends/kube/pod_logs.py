"""The log of one container, line by line."""

from collections.abc import AsyncGenerator

from kubernetes_asyncio import client

from backends.kube.connection import KubeConnection

_MAX_LINE_BYTES = 64 * 1024


async def container_lines(
    kube: KubeConnection, namespace: str, pod: str, container: str, *, follow: bool
) -> AsyncGenerator[str, None]:
    """Yield the lines of a container's log, without line ends; if `follow`, to its end.

    What is longer than 64 KiB comes as several lines. Raises `KubeError`.
    """
    core = client.CoreV1Api(kube.client)
    rest = b""
    options = {"container": container, "follow": follow}
    async for chunk in kube.stream(core.read_namespaced_pod_log, pod, namespace, **options):
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            yield line.decode("utf-8", "replace")
        if len(rest) > _MAX_LINE_BYTES:
            yield rest.decode("utf-8", "replace")
            rest = b""
    if rest:
        yield rest.decode("utf-8", "replace")
