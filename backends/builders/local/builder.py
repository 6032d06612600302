"""The builder on this machine. Its builds and their logs end with the process."""

import asyncio
import fcntl
import hashlib
import logging
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Collection, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import IO, Self

from environs import Env, EnvError

from backends.builders.base import (
    Builder,
    BuilderUnavailable,
    BuildNotFound,
    BuildRequest,
    BuildState,
    BuildStatus,
    NoFreeSlot,
    Source,
)
from backends.builders.local.checks import check_request, check_source
from backends.builders.local.confine import GIT_BYTES, confinement
from backends.builders.local.engine import BuildFailed, Engine, EngineName, is_available
from backends.builders.local.fetch import FetchFailed, fetch, resolve
from backends.builders.local.log import BuildLog
from backends.builders.local.memory import Memory
from backends.builders.local.settings import Settings
from backends.builders.local.sizes import TooLarge
from backends.clock import Clock, utc_now

logger = logging.getLogger(__name__)

MAX_ENDED_BUILDS = 200
"""How many ended builds are retained, with their logs."""

MAX_QUERIES = 8
"""The limit of concurrent queries of repositories and images."""

QUERY_SECONDS = 10.0
"""The timeout of a query of an engine or a repository."""


@dataclass(slots=True)
class LocalBuild:
    """One build of this process."""

    request: BuildRequest
    state: BuildState
    log: BuildLog
    directory: Path
    task: asyncio.Task[str] | None = None


class LocalBuilder(Builder):
    """Builds with the first available engine, or with the configured one."""

    runs_here = True

    def __init__(self, settings: Settings, clock: Clock = utc_now) -> None:
        self._settings = settings
        self._slots = settings.max_builds or os.cpu_count() or 1
        self._clock = clock
        self._builds: dict[str, LocalBuild] = {}
        self._directory = Path(settings.directory)
        self._lock: IO[str] | None = None
        self._engine: Engine | None = None
        self._memory = Memory(GIT_BYTES)
        self._queries = asyncio.Semaphore(MAX_QUERIES)

    @classmethod
    def from_env(cls, env: Env) -> Self:
        """Return a builder configured by `LOCAL_ENGINE`, `_DIR`, `_REGISTRY` and the others."""
        return cls(Settings.from_env(env))

    async def open(self) -> None:
        """See `Builder.open`. Only the memory store is allowed; docs/builders.md says why."""
        if self._settings.store != "memory":
            raise EnvError(
                "COMPONENTS_BUILDER: `local` runs the code of repositories on this machine, so it "
                "is only for development: it needs COMPONENTS_STORE=memory, not "
                f"{self._settings.store!r}"
            )
        engine = await self._choose_engine()
        found = await confinement(engine.name, self._settings.max_bytes)
        self._engine, self._memory = replace(engine, namespace=found.namespace), found.memory
        if found.missing:
            logger.warning("local builds on this machine: %s", "; ".join(found.missing))
        try:
            self._lock_directory()
        except OSError as error:
            raise EnvError(
                f"COMPONENTS_LOCAL_DIR: {self._directory} cannot be used: {error.strerror}"
            ) from None

    async def _choose_engine(self) -> Engine:
        wanted = self._settings.engine
        for name in [EngineName(wanted)] if wanted else EngineName:
            try:
                async with asyncio.timeout(QUERY_SECONDS):
                    if await is_available(name):
                        return Engine(name, self._settings.pack_builder)
            except (TimeoutError, OSError):
                continue
        names = wanted or "buildah, podman or docker"
        raise EnvError(f"COMPONENTS_LOCAL_ENGINE: {names} is not available on this machine")

    def _lock_directory(self) -> None:
        """Lock the directory for this process, and empty it."""
        if not self._settings.directory:
            self._directory = Path(tempfile.mkdtemp(prefix="components-builds-"))
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = (self._directory / "lock").open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            raise EnvError(
                f"COMPONENTS_LOCAL_DIR: {self._directory} is used by another instance"
            ) from None
        self._lock = lock
        for name in ("work", "logs"):
            if (self._directory / name).exists():
                shutil.rmtree(self._directory / name)
            (self._directory / name).mkdir(mode=0o700)

    async def start(self, request: BuildRequest) -> BuildState:
        """See `Builder.start`. A missing repository or ref only shows during the build."""
        check_request(request)
        build_id = _id_of(request)
        if build_id in self._builds:
            return self._builds[build_id].state
        running = [each for each in self._builds.values() if not each.state.status.is_final]
        if len(running) >= self._slots:
            raise NoFreeSlot(
                f"{self._slots} builds are already running on this machine, which is the limit"
            )
        directory = self._directory / "work" / build_id
        try:
            directory.mkdir(mode=0o700)
            log = BuildLog(self._directory / "logs" / f"{build_id}.log")
        except OSError as error:
            raise BuilderUnavailable(
                f"the directory of the local builder cannot be used: {error.strerror}"
            ) from None
        state = BuildState(build_id, BuildStatus.RUNNING, started=self._clock())
        build = self._builds[build_id] = LocalBuild(request, state, log, directory)
        build.task = asyncio.create_task(self._run(build), name=f"build {build_id}")
        build.task.add_done_callback(partial(self._record_end, build))
        self._remove_old()
        return state

    async def find(self, request: BuildRequest) -> BuildState | None:
        """See `Builder.find`."""
        build = self._builds.get(_id_of(request))
        return build.state if build else None

    async def _run(self, build: LocalBuild) -> str:
        """Run a build; return the reason of its failure, or an empty string."""
        build.log.write_line(
            f"building {build.request.component} of {build.request.source.repository}"
        )
        try:
            async with asyncio.timeout(self._settings.timeout):
                await self._build(build)
        except TimeoutError:
            return f"the build took longer than {self._settings.timeout:g} s and was stopped"
        except (FetchFailed, TooLarge, BuildFailed) as error:
            return str(error) or build.log.reason() or "the build failed without output"
        except OSError as error:
            return f"the build cannot run on this machine: {error.strerror or error}"
        finally:
            await asyncio.to_thread(shutil.rmtree, build.directory, ignore_errors=True)
        return ""

    def _record_end(self, build: LocalBuild, task: asyncio.Task[str]) -> None:
        """Record the result of a build, even if it was cancelled before it started."""
        if task.cancelled():
            status, message = BuildStatus.CANCELLED, "cancelled"
        elif error := task.exception():
            logger.error("building %s failed", build.state.id, exc_info=error)
            status, message = BuildStatus.ERROR, "the builder failed: see the service's log"
        else:
            message = task.result()
            status = BuildStatus.ERROR if message else BuildStatus.FINISHED
        # Do not repeat what is already in the log.
        is_logged = not message or message == build.log.reason()
        build.log.write_line(status.lower() if is_logged else f"{status.lower()}: {message}")
        build.state = replace(build.state, status=status, message=message, ended=self._clock())
        build.log.close()

    async def _build(self, build: LocalBuild) -> None:
        request, settings = build.request, self._settings
        commit = await fetch(
            request.source, build.directory, settings.max_bytes, self._memory, build.log
        )
        build.log.write_line(f"commit {commit}")
        build.state = replace(build.state, commit=commit)
        tag = f"{settings.registry}/{request.tool}/{request.component}:{commit[:12]}"
        digest = await self._opened_engine.build(build.directory / "source", tag, build.log)
        build.state = replace(build.state, image=tag, digest=digest)

    async def get(self, tool: str, ids: Collection[str]) -> Mapping[str, BuildState | None]:
        """See `Builder.get`."""
        lost = "this build is no longer known: the service was restarted, or the build is too old"
        states: dict[str, BuildState | None] = {}
        for build_id in ids:
            build = self._find(tool, build_id)
            states[build_id] = build.state if build else BuildState(
                build_id, BuildStatus.ERROR, lost, lost=True
            )  # fmt: skip
        return states

    async def cancel(self, tool: str, build_id: str) -> None:
        """See `Builder.cancel`."""
        build = self._find(tool, build_id)
        if build:
            _cancel(build)

    async def log(self, tool: str, build_id: str, *, follow: bool = False) -> AsyncIterator[str]:
        """See `Builder.log`."""
        build = self._find(tool, build_id)
        if build is None:
            raise BuildNotFound("there is no log of this build")
        try:
            async for line in build.log.lines(follow=follow):
                yield line
        except FileNotFoundError:
            raise BuildNotFound("the log of this build was deleted") from None

    async def resolve(self, tool: str, source: Source) -> str | None:
        """See `Builder.resolve`."""
        check_source(source)
        try:
            async with self._queries, asyncio.timeout(QUERY_SECONDS):
                return await resolve(source, self._directory, self._memory)
        except TimeoutError:
            raise BuilderUnavailable("the repository does not respond in time") from None
        except OSError as error:
            raise BuilderUnavailable(f"git cannot be run: {error.strerror}") from None

    async def has_image(self, tool: str, image: str) -> bool | None:
        """See `Builder.has_image`."""
        try:
            async with self._queries, asyncio.timeout(QUERY_SECONDS):
                return await self._opened_engine.has(image)
        except (TimeoutError, OSError):
            return None

    async def ping(self) -> None:
        """See `Builder.ping`."""
        if not os.access(self._directory / "work", os.W_OK):
            raise BuilderUnavailable("the directory of the local builder cannot be used")
        if not await self._opened_engine.ping():
            raise BuilderUnavailable(f"{self._opened_engine.name} does not respond")

    async def close(self) -> None:
        """See `Builder.close`. Cancels every build and kills its processes."""
        for build in self._builds.values():
            _cancel(build)
        tasks = [build.task for build in self._builds.values() if build.task]
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._lock is not None:
            self._lock.close()
            if not self._settings.directory:
                shutil.rmtree(self._directory, ignore_errors=True)

    @property
    def _opened_engine(self) -> Engine:
        if self._engine is None:
            raise RuntimeError("the builder has not been opened")
        return self._engine

    def _find(self, tool: str, build_id: str) -> LocalBuild | None:
        build = self._builds.get(build_id)
        return build if build and build.request.tool == tool else None

    def _remove_old(self) -> None:
        ended = [key for key, each in self._builds.items() if each.state.status.is_final]
        for build_id in ended[: max(0, len(ended) - MAX_ENDED_BUILDS)]:
            self._builds.pop(build_id).log.path.unlink(missing_ok=True)


def _cancel(build: LocalBuild) -> None:
    # A second cancellation would abort the cleanup of the first one.
    if build.task and not build.task.cancelling():
        build.task.cancel()


def _id_of(request: BuildRequest) -> str:
    """Return the id of a request's build, derived from its key."""
    digest = hashlib.sha256(f"{request.tool}\0{request.key}".encode()).hexdigest()
    return f"{request.component}-{digest[:16]}"
