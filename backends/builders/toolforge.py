"""Toolforge's builds service as a builder, over HTTP.

The rules of that service are in its OpenAPI file: it runs four builds of a tool at a time, answers
409 to the next, and keeps only a few that have ended.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Collection, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Self
from weakref import WeakValueDictionary

from environs import Env, EnvError
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
from backends.builders.toolforge_answers import (
    news_of,
    parameters_of,
    started,
    state_of,
    time_of,
)
from backends.builders.toolforge_api import (
    ApiError,
    BuildsApi,
    Busy,
    ClientFiles,
    Denied,
    Missing,
    Refused,
    Unanswered,
    words_of,
)
from backends.retries import attempts

logger = logging.getLogger(__name__)

TOTAL_SECONDS = 10.0

SKEW = timedelta(seconds=2)
"""How far its clock may be behind ours; it writes whole seconds too."""

LOST = "the builds service no longer knows this build"


class ToolforgeBuilder(Builder):
    """Builds of the service at `url`, below which its paths (`v1/tool/...`) are.

    `within` is how many seconds a call may take with all its attempts.
    """

    def __init__(
        self, url: URL, files: ClientFiles | None = None, within: float = TOTAL_SECONDS
    ) -> None:
        self._within = within
        self._api = BuildsApi(url, files or ClientFiles())
        self._starting: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    @classmethod
    def from_env(cls, env: Env) -> Self:
        """Return a builder as `TOOLFORGE_URL`, `_CERT`, `_KEY` and `_CA` say.

        The URL is the gateway's; the builds service is under `/builds` of it.
        """
        files = ClientFiles(
            env.str("TOOLFORGE_CERT", ""), env.str("TOOLFORGE_KEY", ""), env.str("TOOLFORGE_CA", "")
        )
        try:
            url = URL(env.str("TOOLFORGE_URL", ""))
        except ValueError:
            url = URL()
        return cls(url / "builds" if url.host else url, files)

    async def open(self) -> None:
        """See `Builder.open`."""
        url, files = self._api.url, self._api.files
        if url.scheme not in ("http", "https") or not url.host or url.user or url.query_string:
            raise EnvError(
                "COMPONENTS_TOOLFORGE_URL: must be the http or https URL of the gateway, for "
                "example https://api.example.org:30003"
            )
        if bool(files.certificate) != bool(files.key):
            raise EnvError("COMPONENTS_TOOLFORGE_CERT and _KEY go together: one is missing")
        try:
            await self._api.open()
        except OSError as error:
            named = error.filename or "COMPONENTS_TOOLFORGE_CERT, _KEY or _CA"
            raise EnvError(f"{named} cannot be used: {error.strerror or error}") from None

    async def start(self, request: BuildRequest) -> BuildState:
        """See `Builder.start`. The service knows no keys: what was started is looked for."""
        lock = self._starting.setdefault(request.key, asyncio.Lock())
        async with lock:  # of two that look at once, each would start
            return await self._start(request)

    async def _start(self, request: BuildRequest) -> BuildState:
        repeated = request.repeated

        async def attempt() -> BuildState:
            nonlocal repeated
            if repeated and (found := await self._find(request)):
                return found
            # Whatever comes instead of an answer, it may have been started.
            repeated = True
            path = (request.tool, "builds")
            answer = await self._api.call("POST", *path, body=parameters_of(request))
            return started(answer)

        try:
            return await attempts(self._within)(attempt)
        except Refused as error:
            raise BuildRejected(str(error)) from None
        except Missing as error:
            raise BuildRejected(f"the builds service does not know this tool: {error}") from None
        except Busy as error:
            raise NoFreeSlot(str(error)) from None
        except ApiError as error:
            raise _unavailable(error) from None

    async def find(self, request: BuildRequest) -> BuildState | None:
        """See `Builder.find`."""
        try:
            return await attempts(self._within)(self._find, request)
        except ApiError as error:
            raise _unavailable(error) from None

    async def _find(self, request: BuildRequest) -> BuildState | None:
        """Return the oldest build of the same image, repository and ref since the first attempt.

        A build that has no time yet has only just been asked for. Another deployment's build of the
        same source can be taken for ours only if it was started between our first attempt, whose
        answer was lost, and now.
        """
        wanted = parameters_of(request)
        since = request.first_attempt - SKEW
        candidates = []
        for build in await self._list(request.tool):
            given = build.get("parameters")
            parameters = given if isinstance(given, dict) else {}
            same = all(
                (parameters.get(name) or "") == wanted.get(name, "")
                for name in ("image_name", "source_url", "ref")
            )
            began = time_of(build.get("start_time"))
            if same and (began >= since if began else not state_of(build, "").status.is_final):
                candidates.append((began or datetime.max.replace(tzinfo=UTC), build))
        if not candidates:
            return None
        _, oldest = min(candidates, key=lambda each: each[0])
        return state_of(oldest, str(oldest["build_id"]))

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
            return BuildState(build_id, BuildStatus.ERROR, LOST)
        except Unanswered:
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
            async for each in self._api.lines(tool, "builds", build_id, "logs", follow=follow):
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


def _unavailable(error: ApiError) -> BuilderUnavailable:
    if isinstance(error, Denied):
        logger.error("%s: see COMPONENTS_TOOLFORGE_CERT", error)
    return BuilderUnavailable(str(error))
