"""Toolforge's builds service as a builder, over HTTP.

That service runs four builds of a tool at a time, answers 409 to the next, and keeps only a few
that have ended: of those that succeeded the newest, whenever another is started.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import aclosing
from dataclasses import replace
from datetime import timedelta
from typing import Any, Self
from weakref import WeakValueDictionary

from environs import Env, EnvError, validate
from yarl import URL

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
from backends.builders.toolforge.answers import news_of, parameters_of, started
from backends.builders.toolforge.api import BuildsApi
from backends.builders.toolforge.errors import (
    ApiError,
    Busy,
    Denied,
    Missing,
    NotDone,
    Refused,
    Unanswered,
    words_of,
)
from backends.builders.toolforge.files import ClientFiles
from backends.builders.toolforge.search import Search
from backends.retries import attempts

logger = logging.getLogger(__name__)

TOTAL_SECONDS = 10.0

START_SECONDS = 120.0
"""How long the service may take over a start. It resolves the ref with git before it answers, and
a git host that hung has kept it for 60 s: twice that."""

LOST = "the builds service no longer knows this build: it keeps few that have ended"


class ToolforgeBuilder(Builder):
    """Builds of the service at `url`, below which its paths (`v1/tool/...`) are.

    `within` is how many seconds a call may take with all its attempts, and `start_seconds` how long
    a start may take there, whether or not somebody waits for it.
    """

    knows_keys = False

    def __init__(
        self,
        url: URL,
        files: ClientFiles | None = None,
        within: float = TOTAL_SECONDS,
        start_seconds: float = START_SECONDS,
    ) -> None:
        self.settling = timedelta(seconds=start_seconds)
        self._within = within
        self._url, self._files = url, files or ClientFiles()
        self._api = BuildsApi(self._url, self._files, start_seconds)
        self._search = Search(self.settling)
        self._starting: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    @classmethod
    def from_env(cls, env: Env) -> Self:
        """Return a builder as `TOOLFORGE_URL`, `_CERT`, `_KEY`, `_CA` and `_START_TIMEOUT` say.

        The URL is the gateway's; the builds service is under `/builds` of it.
        """
        files = ClientFiles(
            env.str("TOOLFORGE_CERT", ""), env.str("TOOLFORGE_KEY", ""), env.str("TOOLFORGE_CA", "")
        )
        try:
            url = URL(env.str("TOOLFORGE_URL", ""))
        except ValueError:
            url = URL()
        start_seconds = env.float(
            "TOOLFORGE_START_TIMEOUT", START_SECONDS, validate=validate.Range(1, 3600)
        )
        return cls(url / "builds" if url.host else url, files, start_seconds=start_seconds)

    async def open(self) -> None:
        """See `Builder.open`."""
        url, files = self._url, self._files
        if url.scheme not in ("http", "https") or not url.host or url.user or url.query_string:
            raise EnvError(
                "COMPONENTS_TOOLFORGE_URL: must be the http or https URL of the gateway, for "
                "example https://api.example.org:30003"
            )
        if bool(files.certificate) != bool(files.key):
            raise EnvError("COMPONENTS_TOOLFORGE_CERT and _KEY go together: one is missing")
        try:
            await self._api.open()
        except (OSError, ValueError) as error:
            named = getattr(error, "filename", None) or "COMPONENTS_TOOLFORGE_CERT, _KEY or _CA"
            reason = getattr(error, "strerror", None) or error
            raise EnvError(f"{named} cannot be used: {reason}") from None

    async def start(self, request: BuildRequest) -> BuildState:
        """See `Builder.start`. The service knows no keys: what was started is looked for."""
        lock = self._starting.setdefault(request.key, asyncio.Lock())
        async with lock:  # of two that look at once, each would start
            return await self._start(request)

    async def _start(self, request: BuildRequest) -> BuildState:
        if request.repeated and (found := await self.find(request)):
            return found

        async def attempt() -> BuildState:
            try:
                return started(await self._api.start(request.tool, parameters_of(request)))
            except NotDone:
                raise
            except Unanswered as error:
                raise _InDoubt(str(error)) from None  # and is not repeated

        try:
            return self._search.note(request, await attempts(self._within)(attempt))
        except _InDoubt as doubt:
            return await self._after(doubt, request)
        except Refused as error:
            raise BuildRejected(str(error)) from None
        except Missing as error:
            raise BuildRejected(f"the builds service does not know this tool: {error}") from None
        except Busy as error:
            raise NoFreeSlot(str(error)) from None
        except ApiError as error:
            raise _unavailable(error, maybe_started=False) from None

    async def _after(self, doubt: "_InDoubt", request: BuildRequest) -> BuildState:
        """Return what a start has made whose answer was lost; if that cannot be seen, say so."""
        try:
            found = await self._find(replace(request, last_attempt=None))  # that was just now
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
            raise _unavailable(error, maybe_started=False) from None  # it only looked

    async def _find(self, request: BuildRequest) -> BuildState | None:
        return self._search.choose(request, await self._list(request.tool))

    async def get(self, tool: str, ids: Collection[str]) -> Mapping[str, BuildState | None]:
        """See `Builder.get`. What the list no longer has is asked for once by its id."""
        if not ids:
            return {}
        try:
            builds: list[dict[str, Any]] = await attempts(self._within)(self._list, tool)
            states = {str(build["build_id"]): news_of(build) for build in builds}
            missing = [each for each in ids if each not in states]
            found = await asyncio.gather(*(self._one(tool, each) for each in missing))
        except ApiError as error:
            raise _unavailable(error) from None
        states |= dict(zip(missing, found, strict=True))
        return {build_id: states[build_id] for build_id in ids}

    async def _one(self, tool: str, build_id: str) -> BuildState | None:
        try:
            answer = await self._api.call("GET", tool, "builds", build_id)
        except (Missing, Refused):
            return BuildState(build_id, BuildStatus.ERROR, LOST, lost=True)
        except ApiError:
            return None  # the others are news all the same
        build = answer.get("build")
        return news_of({**build, "build_id": build_id}) if isinstance(build, dict) else None

    async def _list(self, tool: str) -> list[dict[str, Any]]:
        answer = await self._api.call("GET", tool, "builds")
        builds = answer.get("builds")
        if not isinstance(builds, list):
            raise Unanswered("the builds service answered no list of builds")
        return [each for each in builds if isinstance(each, dict) and each.get("build_id")]

    async def cancel(self, tool: str, build_id: str) -> None:
        """See `Builder.cancel`."""
        try:
            path = (tool, "builds", build_id, "cancel")
            await attempts(self._within)(self._api.call, "PUT", *path)
        except (Missing, Busy, Refused):
            return  # it has ended, or there is none
        except ApiError as error:
            raise _unavailable(error) from None

    async def log(self, tool: str, build_id: str, *, follow: bool = False) -> AsyncIterator[str]:
        """See `Builder.log`."""
        try:
            lines = self._api.lines(tool, "builds", build_id, "logs", follow=follow)
            async with aclosing(lines):  # so that it ends with its reader
                async for each in lines:
                    if "line" not in each:
                        # How the service says that it failed after it had begun to answer.
                        raise BuilderUnavailable(words_of(each) or "the log of the build broke off")
                    for line in str(each["line"]).rstrip("\n").split("\n"):
                        yield line
        except (Missing, Refused):
            raise BuildNotFound(LOST) from None
        except ApiError as error:
            raise _unavailable(error) from None

    async def ping(self) -> None:
        """See `Builder.ping`."""
        try:
            await self._api.call("GET", "", "healthz")
        except ApiError as error:
            raise _unavailable(error) from None

    async def close(self) -> None:
        """See `Builder.close`."""
        await self._api.close()


class _InDoubt(Exception):
    """A start was not answered, and may have been carried out."""


def _unavailable(error: ApiError, maybe_started: bool | None = None) -> BuilderUnavailable:
    if isinstance(error, Denied):
        logger.error("%s: see COMPONENTS_TOOLFORGE_CERT", error)
    return BuilderUnavailable(str(error), maybe_started=maybe_started)
