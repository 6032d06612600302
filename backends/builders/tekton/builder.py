"""The builder in the cluster: one PipelineRun for each build, and no other state."""

import asyncio
import os
from collections.abc import AsyncIterator, Collection, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, Self
from weakref import WeakValueDictionary

from async_lru import alru_cache
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
    Source,
)
from backends.builders.tekton.checks import check_source
from backends.builders.tekton.logs import run_lines
from backends.builders.tekton.runs import (
    GROUP,
    PLURAL,
    VERSION,
    belongs_to,
    is_run_of,
    name_of,
    run_of,
    selector_of,
    state_of,
)
from backends.builders.tekton.slots import Slots
from backends.builders.tekton.template import Template, read_template
from backends.git.resolver import CommitResolver
from backends.kube.connection import KubeConnection
from backends.kube.errors import (
    KubeAlreadyExists,
    KubeError,
    KubeInvalid,
    KubeNotFound,
    KubeOverQuota,
)
from backends.kube.responses import object_list
from backends.templates import BadTemplate

PAGE = 500
LOST = "the cluster no longer has the PipelineRun of this build"
_MERGE_PATCH = "application/merge-patch+json"


class TektonBuilder(Builder):
    """Builds as PipelineRuns, in one `namespace` or, if that is empty, in each tool's own.

    Without a `resolver`, commits are not known before they are built.
    """

    # The API server aborts a request after a minute (--request-timeout).
    settling = timedelta(seconds=60)

    def __init__(
        self,
        connection: KubeConnection,
        template: str,
        namespace: str = "",
        prefix: str = "tool-",
        max_builds: int = 4,
        resolver: CommitResolver | None = None,
    ) -> None:
        self._kube = connection
        self._template_name = template
        self._template: Template | None = None
        self._namespace = namespace
        self._prefix = prefix
        self._max_builds = max_builds
        self._resolver = resolver
        self._slots: WeakValueDictionary[str, Slots] = WeakValueDictionary()
        # Shared by starts at the same moment, and not kept.
        self._listed = alru_cache(maxsize=None, ttl=0)(self._list_for_starts)

    @classmethod
    def from_env(cls, env: Env) -> Self:
        """Return a builder configured by `TEKTON_TEMPLATE`, `_NAMESPACE` and the others."""
        return cls(
            KubeConnection(os.environ.get("KUBECONFIG"), env.str("KUBE_CONTEXT", "") or None),
            env.str("TEKTON_TEMPLATE", ""),
            env.str("TEKTON_NAMESPACE", ""),
            env.str("NAMESPACE_PREFIX", "tool-"),
            env.int("TEKTON_MAX_BUILDS", 4, validate=validate.Range(1, 1000)),
            CommitResolver.from_env(env),
        )

    async def open(self) -> None:
        """See `Builder.open`."""
        try:
            self._template = await asyncio.to_thread(read_template, self._template_name)
        except BadTemplate as error:
            raise EnvError(f"COMPONENTS_TEKTON_TEMPLATE: {error}") from None
        await self._kube.open()
        if self._resolver is not None:
            await self._resolver.open()

    async def start(self, request: BuildRequest) -> BuildState:
        """See `Builder.start`. The run's name is derived from the key, so it cannot exist twice.

        Starts at the same moment share one list of runs, and are then sent in parallel.
        Each instance enforces the limit by itself: if several start builds of one tool at the same
        moment, each may exceed it by the number that the others start.
        """
        check_source(request.source)
        slots = self._slots.setdefault(request.tool, Slots())
        name = name_of(request)
        with _builder_errors():
            number, runs = await self._listed(request.tool)
            if name in runs:
                return self._adopt(runs[name], request)
            # Nothing else runs between counting and taking a slot.
            unfinished = [each for each, run in runs.items() if not self._is_final(run)]
            if slots.used(number, unfinished, name) >= self._max_builds:
                raise NoFreeSlot(f"{self._max_builds} builds of this tool are already running")
            with slots.taken(name):
                return await self._create_run(request)

    async def _list_for_starts(self, tool: str) -> tuple[int, Mapping[str, Mapping[str, Any]]]:
        """Return the number of a list, and the runs in it by name."""
        number = self._slots.setdefault(tool, Slots()).next_list()
        return number, {run["metadata"]["name"]: run for run in await self._list_runs(tool)}

    def _is_final(self, run: Mapping[str, Any]) -> bool:
        return self._state(run).status.is_final

    async def _create_run(self, request: BuildRequest) -> BuildState:
        template = self._opened_template
        body = run_of(request, template.run_for(request), template.image_of(request))
        where = (GROUP, VERSION, self._namespace_of(request.tool), PLURAL)
        try:
            answer = await self._kube.call(self._api.create_namespaced_custom_object, *where, body)
        except KubeAlreadyExists:
            answer = await self._kube.call(
                self._api.get_namespaced_custom_object, *where, name_of(request)
            )
            return self._adopt(answer.body, request)
        except KubeOverQuota as error:
            raise NoFreeSlot(str(error)) from None
        except KubeInvalid as error:
            raise BuildRejected(str(error)) from None
        except KubeNotFound as error:
            if "namespaces" in str(error):
                raise BuildRejected(
                    f"there is no namespace {self._namespace_of(request.tool)!r}"
                ) from None
            raise
        return self._state(answer.body)

    def _adopt(self, run: Mapping[str, Any], request: BuildRequest) -> BuildState:
        if not is_run_of(run, request):
            raise BuildRejected(
                f"a PipelineRun {name_of(request)!r} already exists for another request"
            )
        return self._state(run)

    async def find(self, request: BuildRequest) -> BuildState | None:
        """See `Builder.find`."""
        with _builder_errors():
            run = await self._read_run(request.tool, name_of(request))
        return self._state(run) if run and is_run_of(run, request) else None

    async def get(self, tool: str, ids: Collection[str]) -> Mapping[str, BuildState | None]:
        """See `Builder.get`. One call for each page of the tool's runs."""
        if not ids:
            return {}
        with _builder_errors():
            runs = {run["metadata"]["name"]: run for run in await self._list_runs(tool)}
        return {
            build_id: self._state(runs[build_id])
            if build_id in runs
            else BuildState(build_id, BuildStatus.ERROR, LOST, lost=True)
            for build_id in ids
        }

    async def cancel(self, tool: str, build_id: str) -> None:
        """See `Builder.cancel`. Tasks under `finally` still run, to clean up."""
        with _builder_errors():
            run = await self._read_run(tool, build_id)
            if run is None or self._state(run).status.is_final:
                return
            try:
                await self._kube.call(
                    self._api.patch_namespaced_custom_object,
                    GROUP,
                    VERSION,
                    self._namespace_of(tool),
                    PLURAL,
                    build_id,
                    {"spec": {"status": "CancelledRunFinally"}},
                    # The client would send a mapping as a JSON Patch, which must be a list.
                    _content_type=_MERGE_PATCH,
                )
            except (KubeNotFound, KubeInvalid):
                return  # it has ended meanwhile: Tekton rejects changes of a finished run

    async def log(self, tool: str, build_id: str, *, follow: bool = False) -> AsyncIterator[str]:
        """See `Builder.log`."""

        async def is_final() -> bool:
            run = await self._read_run(tool, build_id)
            return run is None or self._state(run).status.is_final

        with _builder_errors():
            if await self._read_run(tool, build_id) is None:
                raise BuildNotFound(LOST)
            lines = run_lines(
                self._kube, self._namespace_of(tool), build_id, is_final, follow=follow
            )
            async for line in lines:
                yield line

    async def resolve(self, tool: str, source: Source) -> str | None:
        """See `Builder.resolve`."""
        check_source(source)
        return await self._resolver.resolve(tool, source) if self._resolver else None

    async def ping(self) -> None:
        """See `Builder.ping`."""
        with _builder_errors():
            await self._kube.serves(f"/apis/{GROUP}/{VERSION}")

    async def close(self) -> None:
        """See `Builder.close`."""
        await self._listed.cache_close()
        await self._kube.close()
        if self._resolver is not None:
            await self._resolver.close()

    @property
    def _api(self) -> client.CustomObjectsApi:
        return client.CustomObjectsApi(self._kube.client)

    @property
    def _opened_template(self) -> Template:
        if self._template is None:
            raise RuntimeError("the builder has not been opened")
        return self._template

    def _namespace_of(self, tool: str) -> str:
        return self._namespace or f"{self._prefix}{tool}"

    def _state(self, run: Mapping[str, Any]) -> BuildState:
        return state_of(run, self._opened_template.results)

    async def _read_run(self, tool: str, name: str) -> Mapping[str, Any] | None:
        """Return a run of a tool; None if it does not exist or belongs to another tool."""
        where = (GROUP, VERSION, self._namespace_of(tool), PLURAL)
        try:
            answer = await self._kube.call(self._api.get_namespaced_custom_object, *where, name)
        except (KubeNotFound, KubeInvalid):
            return None
        run: Mapping[str, Any] = answer.body
        return run if belongs_to(run, tool) else None

    async def _list_runs(self, tool: str) -> list[Mapping[str, Any]]:
        where = (GROUP, VERSION, self._namespace_of(tool), PLURAL)
        options: dict[str, Any] = {"label_selector": selector_of(tool), "limit": PAGE}
        runs: list[Mapping[str, Any]] = []
        while True:
            answer = await self._kube.call(
                self._api.list_namespaced_custom_object, *where, parse=object_list, **options
            )
            runs += answer.body["items"]
            token = answer.body["metadata"].get("continue")
            if not token:
                return runs
            options["_continue"] = token


@contextmanager
def _builder_errors() -> Iterator[None]:
    """Translate the API server's errors to those of a builder."""
    try:
        yield
    except KubeNotFound as error:
        raise BuilderUnavailable(f"Tekton is not installed in this cluster: {error}") from None
    except KubeError as error:
        raise BuilderUnavailable(str(error)) from None
