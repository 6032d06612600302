"""Toolforge's builds service as a builder, over HTTP.

That service runs four builds of a tool at a time and responds with 409 to further starts. It
retains only a few ended builds: of those that succeeded, only the newest once another is started.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import aclosing
from dataclasses import replace
from datetime import timedelta
from typing import Any, Self
from weakref import WeakValueDictionary

from environs import Env, validate
from yarl import URL

from backends.builders.base import (
    Builder,
    BuilderUnavailable,
    BuildNotFound,
    BuildRejected,
    BuildRequest,
    BuildState,
    BuildStatus,
    Built,
    NoFreeSlot,
    Source,
)
from backends.builders.toolforge.existing import existing_builds
from backends.builders.toolforge.payloads import built_of, parameters_of, started, update_of
from backends.builders.toolforge.search import Search
from backends.git.resolver import CommitResolver
from backends.retries import attempts
from backends.toolforge.api import ServiceApi
from backends.toolforge.errors import (
    ApiError,
    Busy,
    NoResponse,
    NotExecuted,
    NotFound,
    Rejected,
    Unauthorized,
    error_messages,
    json_object,
)
from backends.toolforge.files import ClientFiles
from backends.toolforge.settings import Gateway

logger = logging.getLogger(__name__)

TOTAL_SECONDS = 10.0

START_SECONDS = 120.0
"""The timeout of a start. The service resolves the ref with git before it responds, and a hanging
git host has delayed it by 60 s: this is twice that."""

LOST = "the builds service no longer knows this build: it retains few ended builds"


class ToolforgeBuilder(Builder):
    """Builds of the service at `url`, the base of its paths (`v1/tool/...`).

    `within` is the time limit in seconds of a call with all its attempts, and `start_seconds` the
    time a start may take there, even if no client waits for it. Without a `resolver`, commits are
    not known before they are built.
    """

    knows_keys = False

    def __init__(
        self,
        url: URL,
        files: ClientFiles | None = None,
        within: float = TOTAL_SECONDS,
        start_seconds: float = START_SECONDS,
        resolver: CommitResolver | None = None,
    ) -> None:
        self.settling = timedelta(seconds=start_seconds)
        self._within = within
        gateway = Gateway(url, files or ClientFiles())
        self._api = ServiceApi("the builds service", gateway, start_seconds)
        self._search = Search(self.settling)
        self._resolver = resolver
        self._starting: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    @classmethod
    def from_env(cls, env: Env) -> Self:
        """Return a builder configured by `TOOLFORGE_URL`, `_CERT`, `_KEY`, `_CA`, `_START_TIMEOUT`,
        and `SOURCE_PRIVATE`.

        The URL is the gateway's; the builds service is at its `/builds`.
        """
        gateway = Gateway.from_env(env, "builds")
        start_seconds = env.float(
            "TOOLFORGE_START_TIMEOUT", START_SECONDS, validate=validate.Range(1, 3600)
        )
        return cls(
            gateway.url,
            gateway.files,
            start_seconds=start_seconds,
            resolver=CommitResolver.from_env(env),
        )

    async def open(self) -> None:
        """See `Builder.open`."""
        await self._api.open()
        if self._resolver is not None:
            await self._resolver.open()

    async def start(self, request: BuildRequest) -> BuildState:
        """See `Builder.start`. The service has no idempotency keys: earlier starts are searched."""
        lock = self._starting.setdefault(request.key, asyncio.Lock())
        async with lock:  # two concurrent searches would each start a build
            return await self._start(request)

    async def _start(self, request: BuildRequest) -> BuildState:
        if request.repeated and (found := await self.find(request)):
            return found

        async def attempt() -> BuildState:
            try:
                parameters = parameters_of(request)
                return started(
                    await self._api.start("POST", request.tool, "builds", body=parameters)
                )
            except NotExecuted:
                raise
            except NoResponse as error:
                raise _OutcomeUnknown(str(error)) from None  # and is not retried

        try:
            return self._search.note(request, await attempts(self._within)(attempt))
        except _OutcomeUnknown as doubt:
            return await self._find_lost_start(doubt, request)
        except Rejected as error:
            raise BuildRejected(str(error)) from None
        except NotFound as error:
            raise BuildRejected(f"the builds service does not know this tool: {error}") from None
        except Busy as error:
            raise NoFreeSlot(str(error)) from None
        except ApiError as error:
            raise _unavailable(error, maybe_started=False) from None

    async def _find_lost_start(self, doubt: "_OutcomeUnknown", request: BuildRequest) -> BuildState:
        """Search for the build of a start without a response. Raises if it is not found."""
        try:
            found = await self._find(replace(request, last_attempt=None))  # the attempt has only
            # just ended
        except ApiError:
            found = None
        if found is None:
            raise BuilderUnavailable(str(doubt), maybe_started=True) from None
        return found

    async def find(self, request: BuildRequest) -> BuildState | None:
        """See `Builder.find`."""
        try:
            return await attempts(self._within)(self._find, request)
        except ApiError as error:
            raise _unavailable(error, maybe_started=False) from None  # this was only a search

    async def _find(self, request: BuildRequest) -> BuildState | None:
        return self._search.choose(request, await self._list(request.tool))

    async def get(self, tool: str, ids: Collection[str]) -> Mapping[str, BuildState | None]:
        """See `Builder.get`. A build missing in the list is requested once by its id."""
        if not ids:
            return {}
        try:
            builds: list[dict[str, Any]] = await attempts(self._within)(self._list, tool)
            states = {str(build["build_id"]): update_of(build) for build in builds}
            missing = [each for each in ids if each not in states]
            found = await asyncio.gather(*(self._get_by_id(tool, each) for each in missing))
        except ApiError as error:
            raise _unavailable(error) from None
        states |= dict(zip(missing, found, strict=True))
        return {build_id: states[build_id] for build_id in ids}

    async def _get_by_id(self, tool: str, build_id: str) -> BuildState | None:
        try:
            answer = await self._api.call("GET", tool, "builds", build_id)
        except (NotFound, Rejected):
            return BuildState(build_id, BuildStatus.ERROR, LOST, lost=True)
        except ApiError:
            return None  # the other states are still valid
        build = answer.get("build")
        return update_of({**build, "build_id": build_id}) if isinstance(build, dict) else None

    async def _list(self, tool: str) -> list[dict[str, Any]]:
        answer = await self._api.call("GET", tool, "builds")
        builds = answer.get("builds")
        if not isinstance(builds, list):
            raise NoResponse("the builds service did not return a list of builds")
        return [each for each in builds if isinstance(each, dict) and each.get("build_id")]

    async def built(self, tool: str) -> tuple[Built, ...]:
        """See `Builder.built`."""
        try:
            return built_of(await attempts(self._within)(self._list, tool))
        except ApiError as error:
            raise _unavailable(error) from None

    async def cancel(self, tool: str, build_id: str) -> None:
        """See `Builder.cancel`."""
        try:
            path = (tool, "builds", build_id, "cancel")
            await attempts(self._within)(self._api.call, "PUT", *path)
        except (NotFound, Busy, Rejected):
            return  # it has ended or does not exist
        except ApiError as error:
            raise _unavailable(error) from None

    async def log(self, tool: str, build_id: str, *, follow: bool = False) -> AsyncIterator[str]:
        """See `Builder.log`."""
        try:
            lines = self._api.lines(tool, "builds", build_id, "logs", follow=follow)
            async with aclosing(lines):  # so that it closes with its reader
                async for content in lines:
                    each = json_object(content) or {"line": content.decode("utf-8", "replace")}
                    if "line" not in each:
                        # The service reports errors in the middle of a stream like this.
                        raise BuilderUnavailable(
                            error_messages(each) or "the log of the build was interrupted"
                        )
                    for line in str(each["line"]).rstrip("\n").split("\n"):
                        yield line
        except (NotFound, Rejected):
            raise BuildNotFound(LOST) from None
        except ApiError as error:
            raise _unavailable(error) from None

    async def resolve(self, tool: str, source: Source) -> str | None:
        """See `Builder.resolve`."""
        return await self._resolver.resolve(tool, source) if self._resolver else None

    async def existing(self, tool: str, wanted: Mapping[str, Source]) -> Mapping[str, BuildState]:
        """See `Builder.existing`. One call lists all builds of the tool, whoever started them."""
        try:
            return existing_builds(await attempts(self._within)(self._list, tool), wanted)
        except ApiError as error:
            raise _unavailable(error, maybe_started=False) from None

    async def ping(self) -> None:
        """See `Builder.ping`."""
        try:
            await self._api.call("GET", "", "healthz")
        except ApiError as error:
            raise _unavailable(error) from None

    async def close(self) -> None:
        """See `Builder.close`."""
        await self._api.close()
        if self._resolver is not None:
            await self._resolver.close()


class _OutcomeUnknown(Exception):
    """A start got no response and may have been executed."""


def _unavailable(error: ApiError, maybe_started: bool | None = None) -> BuilderUnavailable:
    if isinstance(error, Unauthorized):
        logger.error("%s: see COMPONENTS_TOOLFORGE_CERT", error)
    return BuilderUnavailable(str(error), maybe_started=maybe_started)
