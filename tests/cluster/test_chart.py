"""The chart's objects on a real API server, and the service with its permissions."""

from pathlib import Path

import pytest
import yaml
from pytest_aiohttp.plugin import AiohttpClient

from backends.builders.base import BuildStatus
from backends.kube.connection import KubeConnection
from backends.members.kubernetes import KubernetesMembers
from backends.stores.kubernetes import KubernetesStore
from components.http.app import create_app
from components.settings import Settings
from helm.check import NAMESPACE, VALUES, rendered
from tests.builders.scripted import ScriptedBuilder
from tests.cluster.apiserver import ApiServer
from tests.cluster.conftest import PREFIX
from tests.cluster.installation import Installation, applied, make_namespace
from tests.cluster.scheduler import scheduling
from tests.factories import configuration
from tests.http.conftest import HEADER, data_of

pytestmark = pytest.mark.timeout(60)

REPLICAS = 2
NOT_KUBERNETES = ("Certificate",)


@pytest.mark.parametrize("values", VALUES, ids=lambda path: path.stem if path else "default")
async def test_the_server_accepts_every_object(
    installation: Installation, values: Path | None
) -> None:
    for each in rendered(yaml.safe_load(values.read_text()) if values else {}):
        if each["kind"] in NOT_KUBERNETES:
            continue
        if namespace := each["metadata"].get("namespace"):
            await make_namespace(installation.admin, namespace)
        status, answer = await applied(installation.admin, each, dryRun="All")
        assert status in (200, 201), answer["message"]


async def test_the_service_works_with_the_permissions_of_its_account(
    cluster_server: ApiServer, installation: Installation, aiohttp_client: AiohttpClient
) -> None:
    kubeconfig = str(cluster_server.kubeconfig("account", installation.account_token))
    store = KubernetesStore(KubeConnection(kubeconfig), PREFIX)
    members = KubernetesMembers(KubeConnection(kubeconfig), NAMESPACE)
    builder = ScriptedBuilder()
    await store.open()
    await members.open()
    tool = installation.tool
    app = create_app(Settings(), store, builder, members)
    client = await aiohttp_client(app, headers={HEADER: f"CN={tool},O=toolforge"})
    base = f"/api/v1/tool/{tool}"
    given = configuration("web", "api")
    await data_of(await client.get("/readyz"))
    assert await data_of(await client.post(f"{base}/config", json=given)) == given
    created = await data_of(await client.post(f"{base}/deploy"), 201)
    builder.becomes(BuildStatus.FINISHED)
    path = f"{base}/deploy/{created['deploy-id']}"
    assert (await data_of(await client.get(path)))["status"] == "FINISHED"
    await data_of(await client.delete(f"{base}/config"))
    assert members.live() >= {members.own}
    await members.close()
    await store.close()


@pytest.mark.usefixtures("moving")
async def test_its_pods_start_under_the_restricted_pod_security_standard(
    installation: Installation,
) -> None:
    admin = installation.admin
    await admin.call("POST", "/api/v1/nodes", {"metadata": {"name": "one"}})
    async with scheduling(admin, "one", NAMESPACE):
        await admin.until(
            f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments",
            lambda event: event["object"]["status"].get("availableReplicas") == REPLICAS,
        )
