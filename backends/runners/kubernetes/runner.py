"""The runner in the cluster: each method by itself, and no state but the objects."""

import asyncio
import os
from collections.abc import AsyncIterator, Collection, Mapping
from datetime import datetime
from typing import Self

from environs import Env, EnvError

from backends.clock import utc_now
from backends.kube.connection import KubeConnection
from backends.runners.base import Checked, Fence, Runner, Running, RunRequest, RunSpec
from backends.runners.kubernetes import checks, manual
from backends.runners.kubernetes.api import Objects
from backends.runners.kubernetes.applying import bring, delete
from backends.runners.kubernetes.errors import runner_errors
from backends.runners.kubernetes.kinds import DEPLOYMENT, PUBLISHED, WORKLOADS, Kind
from backends.runners.kubernetes.listing import Found, list_running
from backends.runners.kubernetes.logs import component_lines
from backends.runners.kubernetes.objects import contents_of
from backends.runners.kubernetes.record import Made
from backends.runners.kubernetes.settings import Settings
from backends.runners.kubernetes.template import Template, read_template
from backends.templates import BadTemplate


class KubernetesRunner(Runner):
    """Runs components as Deployments and CronJobs, each in its tool's namespace."""

    def __init__(self, connection: KubeConnection, settings: Settings | None = None) -> None:
        self._kube = connection
        self._settings = settings or Settings()
        self._read: Template | None = None

    @classmethod
    def from_env(cls, env: Env) -> Self:
        """Return a runner as the settings say."""
        connection = KubeConnection(
            os.environ.get("KUBECONFIG"), env.str("KUBE_CONTEXT", "") or None
        )
        return cls(connection, Settings.from_env(env))

    async def open(self) -> None:
        """See `Runner.open`."""
        try:
            self._read = await asyncio.to_thread(read_template, self._settings.template)
        except BadTemplate as error:
            raise EnvError(f"COMPONENTS_KUBERNETES_TEMPLATE: {error}") from None
        await self._kube.open()

    def check(self, tool: str, component: str, spec: RunSpec) -> Checked:
        """See `Runner.check`."""
        return checks.check(component, spec, self._template)

    async def list(self, tool: str) -> Mapping[str, Running]:
        """See `Runner.list`. One list for each kind; of pods only where something is not well."""
        objects = self._objects(tool)
        with runner_errors(objects.namespace):
            return await list_running(objects, tool, self._published, self._now())

    async def apply(self, request: RunRequest, running: Running | None) -> None:
        """See `Runner.apply`. One call for each object that is there, two for one that is not.

        What is missing comes first, since another's object of that name ends all of it; then what
        runs, whose fence guards the rest.
        """
        found: Found = running.version if running is not None else {}
        objects = self._objects(request.tool)
        contents = contents_of(
            request.tool, request.component, request.wanted, self._template, self._settings
        )
        now = self._now()
        with runner_errors(objects.namespace):
            for kind in sorted(contents, key=lambda kind: _order(kind, found)):
                made = Made(request.wanted, contents[kind], now)
                await bring(objects, kind, request, made, found.get(kind))
            await self._delete(objects, request.tool, found, contents, request.fence)

    async def remove(self, tool: str, running: Running, fence: Fence | None = None) -> None:
        """See `Runner.remove`. What leads to a component goes first."""
        found: Found = running.version
        objects = self._objects(tool)
        with runner_errors(objects.namespace):
            await self._delete(objects, tool, found, (), fence)

    async def restart(self, tool: str, component: str) -> None:
        """See `Runner.restart`."""
        objects = self._objects(tool)
        with runner_errors(objects.namespace):
            await manual.restart(objects, tool, component, self._now())

    async def start(self, tool: str, component: str) -> None:
        """See `Runner.start`."""
        objects = self._objects(tool)
        with runner_errors(objects.namespace):
            await manual.start(objects, tool, component)

    async def log(self, tool: str, component: str, *, follow: bool = False) -> AsyncIterator[str]:
        """See `Runner.log`."""
        objects = self._objects(tool)
        with runner_errors(objects.namespace):
            lines = component_lines(self._kube, objects, tool, component, follow=follow)
            async for line in lines:
                yield line

    async def ping(self) -> None:
        """See `Runner.ping`."""
        with runner_errors(""):
            await self._kube.serves(f"/apis/{DEPLOYMENT.api_version}")

    async def close(self) -> None:
        """See `Runner.close`."""
        await self._kube.close()

    async def _delete(
        self,
        objects: Objects,
        tool: str,
        found: Found,
        kept: Collection[Kind],
        fence: Fence | None,
    ) -> None:
        for kind in sorted(found.keys() - set(kept), key=WORKLOADS.__contains__):
            await delete(objects, kind, tool, found[kind], fence)

    def _objects(self, tool: str) -> Objects:
        return Objects(self._kube, self._settings.namespace_of(tool))

    @property
    def _template(self) -> Template:
        if self._read is None:
            raise RuntimeError("the runner has not been opened")
        return self._read

    @property
    def _published(self) -> Kind | None:
        publish = self._template.publish
        return PUBLISHED[publish["kind"]] if publish is not None else None

    def _now(self) -> datetime:
        clock = self._kube.clock
        return clock.now() if clock.known else utc_now()


def _order(kind: Kind, found: Found) -> int:
    if kind in WORKLOADS:
        return 1
    return 2 if kind in found else 0
