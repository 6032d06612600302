"""The builder in the cluster: one PipelineRun for each build, and no state but those."""

import asyncio
import os
from collections.abc import AsyncIterator, Collection, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, Self
from weakref import WeakValueDictionary

from environs import Env, EnvError, validate
from kubernetes_asyncio import client

from backends.builders.base import (
    Builder,
    BuilderUnavailable,
    BuildNotFound,
    BuildRejected,
    BuildRequest,
    BuildState,
    BuildStatus,
    NoFreeSlot,
)
from backends.builders.tekton.checks import check_source
from backends.builders.tekton.logs import run_lines
from backends.builders.tekton.runs import (
    GROUP,
    PLURAL,
    VERSION,
    belongs_to,
    is_of,
    name_of,
    run_of,
    selector_of,
    state_of,
)
from backends.builders.tekton.template import Template, read_template
from backends.kube.answers import a_list
from backends.kube.connection import KubeConnection
from backends.kube.errors import (
    KubeAlreadyExists,
    KubeError,
    KubeInvalid,
    KubeNotFound,
    KubeOverQuota,
)
from backends.templates import BadTemplate

PAGE = 500
LOST = "the cluster no longer has the PipelineRun of this build"
_MERGE_PATCH = "application/merge-patch+json"


class TektonBuilder(Builder):
    """Builds as PipelineRuns, in one `namespace` or, if that is empty, each in its tool's own."""

    # The API server ends a request after a minute (--request-timeout).
    settling = timedelta(seconds=60)

    def __init__(
        self,
        connection: KubeConnection,
        template: str,
        namespace: str = "",
        prefix: str = "tool-",
        max_builds: int = 4,
    ) -> None:
        self._kube = connection
        self._template_name = template
        self._template: Template | None = None
        self._namespace = namespace
        self._prefix = prefix
        self._max_builds = max_builds
        self._admission: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    @classmethod
    def from_env(cls, env: Env) -> Self:
        """Return a builder as `TEKTON_TEMPLATE`, `_NAMESPACE` and `_MAX_BUILDS` say."""
        return cls(
            KubeConnection(os.environ.get("KUBECONFIG"), env.str("KUBE_CONTEXT", "") or None),
            env.str("TEKTON_TEMPLATE", ""),
            env.str("TEKTON_NAMESPACE", ""),
            env.str("NAMESPACE_PREFIX", "tool-"),
            env.int("TEKTON_MAX_BUILDS", 4, validate=validate.Range(1, 1000)),
        )

    async def open(self) -> None:
        """See `Builder.open`."""
        try:
            self._template = await asyncio.to_thread(read_template, self._template_name)
        except BadTemplate as error:
            raise EnvError(f"COMPONENTS_TEKTON_TEMPLATE: {error}") from None
        await self._kube.open()

    async def start(self, request: BuildRequest) -> BuildState:
        """See `Builder.start`. The run's name follows from the key, so there is never a second.

        The limit is kept by each instance: of several that start builds of one tool at the same
        moment, each may go beyond it by what the others start.
        """
        check_source(request.source)
        lock = self._admission.setdefault(request.tool, asyncio.Lock())
        with _errors():
            async with lock:  # so that what is counted is still true when one more is made
                runs = await self._list(request.tool)
                name = name_of(request)
                for run in runs:
                    if run["metadata"]["name"] == name:
                        return self._adopted(run, request)
                unfinished = sum(not self._state(run).status.is_final for run in runs)
                if unfinished >= self._max_builds:
                    raise NoFreeSlot(f"{self._max_builds} builds of this tool run already")
                return await self._create(request)

    async def _create(self, request: BuildRequest) -> BuildState:
        template = self._read_template
        body = run_of(request, template.run_for(request), template.image_of(request))
        where = (GROUP, VERSION, self._of(request.tool), PLURAL)
        try:
            answer = await self._kube.call(self._api.create_namespaced_custom_object, *where, body)
        except KubeAlreadyExists:
            answer = await self._kube.call(
                self._api.get_namespaced_custom_object, *where, name_of(request)
            )
            return self._adopted(answer.body, request)
        except KubeOverQuota as error:
            raise NoFreeSlot(str(error)) from None
        except KubeInvalid as error:
            raise BuildRejected(str(error)) from None
        except KubeNotFound as error:
            if "namespaces" in str(error):
                raise BuildRejected(f"there is no namespace {self._of(request.tool)!r}") from None
            raise
        return self._state(answer.body)

    def _adopted(self, run: Mapping[str, Any], request: BuildRequest) -> BuildState:
        if not is_of(run, request):
            raise BuildRejected(
                f"a PipelineRun {name_of(request)!r} is there that was made for something else"
            )
        return self._state(run)

    async def find(self, request: BuildRequest) -> BuildState | None:
        """See `Builder.find`."""
        with _errors():
            run = await self._read(request.tool, name_of(request))
        return self._state(run) if run and is_of(run, request) else None

    async def get(self, tool: str, ids: Collection[str]) -> Mapping[str, BuildState | None]:
        """See `Builder.get`. One call for each page of the tool's runs."""
        if not ids:
            return {}
        with _errors():
            runs = {run["metadata"]["name"]: run for run in await self._list(tool)}
        return {
            build_id: self._state(runs[build_id])
            if build_id in runs
            else BuildState(build_id, BuildStatus.ERROR, LOST, lost=True)
            for build_id in ids
        }

    async def cancel(self, tool: str, build_id: str) -> None:
        """See `Builder.cancel`. Tasks under `finally` still run, so that nothing is left locked."""
        with _errors():
            run = await self._read(tool, build_id)
            if run is None or self._state(run).status.is_final:
                return
            try:
                await self._kube.call(
                    self._api.patch_namespaced_custom_object,
                    GROUP,
                    VERSION,
                    self._of(tool),
                    PLURAL,
                    build_id,
                    {"spec": {"status": "CancelledRunFinally"}},
                    # The client would send a mapping as a JSON Patch, which is a list.
                    _content_type=_MERGE_PATCH,
                )
            except (KubeNotFound, KubeInvalid):
                return  # it has ended since: Tekton admits no change of what is done

    async def log(self, tool: str, build_id: str, *, follow: bool = False) -> AsyncIterator[str]:
        """See `Builder.log`."""

        async def is_final() -> bool:
            run = await self._read(tool, build_id)
            return run is None or self._state(run).status.is_final

        with _errors():
            if await self._read(tool, build_id) is None:
                raise BuildNotFound(LOST)
            lines = run_lines(self._kube, self._of(tool), build_id, is_final, follow=follow)
            async for line in lines:
                yield line

    async def ping(self) -> None:
        """See `Builder.ping`."""
        with _errors():
            await self._kube.serves(f"/apis/{GROUP}/{VERSION}")

    async def close(self) -> None:
        """See `Builder.close`."""
        await self._kube.close()

    @property
    def _api(self) -> client.CustomObjectsApi:
        return client.CustomObjectsApi(self._kube.client)

    @property
    def _read_template(self) -> Template:
        if self._template is None:
            raise RuntimeError("the builder has not been opened")
        return self._template

    def _of(self, tool: str) -> str:
        return self._namespace or f"{self._prefix}{tool}"

    def _state(self, run: Mapping[str, Any]) -> BuildState:
        return state_of(run, self._read_template.results)

    async def _read(self, tool: str, name: str) -> Mapping[str, Any] | None:
        """Return a run of a tool; None where there is none, or it is another's."""
        where = (GROUP, VERSION, self._of(tool), PLURAL)
        try:
            answer = await self._kube.call(self._api.get_namespaced_custom_object, *where, name)
        except (KubeNotFound, KubeInvalid):
            return None
        run: Mapping[str, Any] = answer.body
        return run if belongs_to(run, tool) else None

    async def _list(self, tool: str) -> list[Mapping[str, Any]]:
        where = (GROUP, VERSION, self._of(tool), PLURAL)
        options: dict[str, Any] = {"label_selector": selector_of(tool), "limit": PAGE}
        runs: list[Mapping[str, Any]] = []
        while True:
            answer = await self._kube.call(
                self._api.list_namespaced_custom_object, *where, reading=a_list, **options
            )
            runs += answer.body["items"]
            token = answer.body["metadata"].get("continue")
            if not token:
                return runs
            options["_continue"] = token


@contextmanager
def _errors() -> Iterator[None]:
    """Say what the API server says as a builder does."""
    try:
        yield
    except KubeNotFound as error:
        raise BuilderUnavailable(f"Tekton is not installed in this cluster: {error}") from None
    except KubeError as error:
        raise BuilderUnavailable(str(error)) from None
