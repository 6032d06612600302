"""What makes the API server a platform: controllers, a Node, and Pods that come up or crash."""

from contextlib import AsyncExitStack
from pathlib import Path

from kubernetes_asyncio import client

from tests.cluster.apiserver import ADMINISTRATOR, ApiServer
from tests.cluster.conftest import PREFIX
from tests.cluster.installation import Caller
from tests.cluster.runner import TEMPLATE
from tests.cluster.scheduler import scheduling
from tests.cluster.tekton import Kubelet

RUN_TIMEOUT = 25
PROGRAMS = ("kube-controller-manager", "kwok")


async def start_platform(
    server: ApiServer, admin: client.ApiClient, tools: list[str], stack: AsyncExitStack
) -> None:
    """Start everything that Pods need in the namespaces of some tools."""
    server.start_controllers()
    server.start_kubelets()
    kubelet = Kubelet(otherwise=["out of luck"])
    served = await kubelet.start(admin)
    stack.push_async_callback(served.cleanup)
    caller = Caller(server, f"{ADMINISTRATOR}-token")
    namespaces = [PREFIX + tool for tool in tools]
    await stack.enter_async_context(scheduling(caller, kubelet.node, *namespaces))


def environment(directory: Path) -> dict[str, str]:
    """Return the settings of an instance that runs what was built there."""
    template = directory / "template.yaml"
    template.write_text(TEMPLATE)
    return {
        "COMPONENTS_RUNNER": "kubernetes",
        "COMPONENTS_KUBERNETES_TEMPLATE": str(template),
        "COMPONENTS_RUN_TIMEOUT": str(RUN_TIMEOUT),
    }
