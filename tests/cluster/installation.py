"""The chart on a real API server: its objects, and its users."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias
from uuid import uuid4

import aiohttp
import pytest

from helm.check import NAMESPACE, rendered
from tests.cluster.apiserver import ADMINISTRATOR, TOOL_USERS, ApiServer

Json: TypeAlias = dict[str, Any]
RBAC = "rbac.authorization.k8s.io"
POLICIES = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies"
APPLY = "application/apply-patch+yaml"
MERGE = "application/merge-patch+json"
PROBE_SECONDS = 0.1
LINE_BYTES = 2**20
HOOK = "helm.sh/hook"
OF_THE_CLUSTER = (
    "ClusterRole",
    "ClusterRoleBinding",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
)


@dataclass(frozen=True)
class Caller:
    """A client of the API server that gets any response."""

    server: ApiServer
    token: str

    async def call(
        self,
        method: str,
        path: str,
        body: Json | None = None,
        content_type: str = "application/json",
        **query: str,
    ) -> tuple[int, Json]:
        """Return the status and the object of a response."""
        async with (
            aiohttp.ClientSession() as session,
            self._request(session, method, path, body, content_type, query) as response,
        ):
            return response.status, await response.json()

    async def text(self, path: str) -> str:
        """Return the text of an answer."""
        async with (
            aiohttp.ClientSession() as session,
            self._request(session, "GET", path, None, "application/json", {}) as response,
        ):
            text: str = await response.text()
            return text

    @asynccontextmanager
    async def watching(self, path: str, **query: str) -> AsyncIterator[AsyncIterator[Json]]:
        """Give the events of objects; each that is there already is said to be added."""
        watch = {"watch": "1", **query}
        async with (
            aiohttp.ClientSession(
                read_bufsize=LINE_BYTES, timeout=aiohttp.ClientTimeout(total=None)
            ) as session,
            self._request(session, "GET", path, None, "application/json", watch) as response,
        ):
            try:
                yield (json.loads(line) async for line in response.content)
            finally:
                # Not closed as TLS has it: the loop may end before the server has agreed.
                if response.connection is not None and response.connection.transport is not None:
                    response.connection.transport.abort()

    async def until(self, path: str, seen: Callable[[Json], bool], **query: str) -> Json:
        """Watch objects, including existing ones; return the first event that matches."""
        async with self.watching(path, **query) as events:
            async for event in events:
                if seen(event):
                    return event
        raise AssertionError(f"the watch of {path} has ended")

    def _request(
        self,
        session: aiohttp.ClientSession,
        method: str,
        path: str,
        body: Json | None,
        content_type: str,
        query: dict[str, str],
    ) -> Any:
        ca = self.server.directory / "certificates/apiserver.crt"
        return session.request(
            method,
            f"{self.server.url}{path}",
            data=None if body is None else json.dumps(body),
            params=query,
            headers={"Authorization": f"Bearer {self.token}", "Content-Type": content_type},
            ssl=ssl.create_default_context(cafile=ca),
        )


@dataclass(frozen=True)
class Installation:
    """The chart with its default values, and one tool with all permissions on its Secrets."""

    admin: Caller
    tool: str
    user: Caller
    account_token: str

    @property
    def namespace(self) -> str:
        return f"tool-{self.tool}"

    @property
    def secrets(self) -> str:
        return f"/api/v1/namespaces/{self.namespace}/secrets"


def path_of(each: Json) -> str:
    """Return the path of an object."""
    base = "/api/v1" if "/" not in each["apiVersion"] else f"/apis/{each['apiVersion']}"
    if each["kind"] not in OF_THE_CLUSTER:
        base += f"/namespaces/{each['metadata'].get('namespace', NAMESPACE)}"
    kind = each["kind"].lower()
    plural = f"{kind[:-1]}ies" if kind.endswith("y") else f"{kind}s"
    return f"{base}/{plural}/{each['metadata']['name']}"


async def applied(admin: Caller, each: Json, **query: str) -> tuple[int, Json]:
    """Apply an object on the server, with strict validation of fields."""
    options = {"fieldManager": "helm", "fieldValidation": "Strict", "force": "true", **query}
    return await admin.call("PATCH", path_of(each), each, APPLY, **options)


async def make_namespace(admin: Caller, name: str, **labels: str) -> None:
    """Create a namespace unless it exists."""
    status, answer = await admin.call(
        "POST", "/api/v1/namespaces", {"metadata": {"name": name, "labels": labels}}
    )
    assert status in (201, 409), answer


async def make_tool(admin: Caller) -> str:
    """Create a tool whose user has all permissions on the Secrets in its namespace."""
    tool = f"full-{uuid4().hex[:8]}"
    namespace = f"tool-{tool}"
    await make_namespace(admin, namespace)
    metadata = {"name": "everything", "namespace": namespace}
    role: Json = {
        "apiVersion": f"{RBAC}/v1",
        "kind": "Role",
        "metadata": metadata,
        "rules": [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["*"]}],
    }
    binding: Json = {
        "apiVersion": f"{RBAC}/v1",
        "kind": "RoleBinding",
        "metadata": metadata,
        "roleRef": {"apiGroup": RBAC, "kind": "Role", "name": "everything"},
        "subjects": [{"apiGroup": RBAC, "kind": "User", "name": TOOL_USERS[0]}],
    }
    for each in (role, binding):
        status, answer = await applied(admin, each)
        assert status == 201, answer
    return tool


@asynccontextmanager
async def installed(server: ApiServer) -> AsyncIterator[Installation]:
    """Install the chart, and uninstall it at the end: its policy would affect other tests."""
    admin = Caller(server, f"{ADMINISTRATOR}-token")
    if (await admin.call("GET", POLICIES))[0] == 404:
        pytest.skip("this Kubernetes is older than the chart supports")
    await make_namespace(admin, NAMESPACE, **{"pod-security.kubernetes.io/enforce": "restricted"})
    # Hooks are not installed: Helm creates them on demand.
    objects = [each for each in rendered({}) if HOOK not in each["metadata"].get("annotations", {})]
    try:
        for each in objects:
            status, answer = await applied(admin, each)
            assert status in (200, 201), answer  # other tests do not delete the role
        account = f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts/components-api/token"
        request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
        _, answer = await admin.call("POST", account, request)
        user = Caller(server, f"{TOOL_USERS[0]}-token")
        token = answer["status"]["token"]
        installation = Installation(admin, await make_tool(admin), user, token)
        await _until_denied(installation, True)
        yield installation
    finally:
        for each in objects:
            await admin.call("DELETE", path_of(each))
    await _until_denied(installation, False)


async def _until_denied(installation: Installation, denied: bool) -> None:
    """Return once the policy is enforced, or no longer; there is no event for it."""
    like_ours = {"name": "probe", "labels": {"app.kubernetes.io/managed-by": "components-api"}}
    while True:
        status, _ = await installation.user.call(
            "POST", installation.secrets, {"metadata": like_ours}, dryRun="All"
        )
        if (status == 403) is denied:
            return
        await asyncio.sleep(PROBE_SECONDS)
