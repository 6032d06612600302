"""The runner that runs nothing: a deployment ends with its builds."""

from collections.abc import AsyncIterator, Mapping
from typing import NoReturn, Self

from environs import Env

from backends.runners.base import Fence, NothingRuns, Runner, Running, RunRejected, RunRequest

NOTHING_RUNS = "this service runs nothing: COMPONENTS_RUNNER is none"


class NoRunner(Runner):
    """Runs nothing, and says so."""

    runs = False

    @classmethod
    def from_env(cls, env: Env) -> Self:
        """Return the runner: it has no settings."""
        return cls()

    async def list(self, tool: str) -> Mapping[str, Running]:
        """See `Runner.list`."""
        return {}

    async def apply(self, request: RunRequest, running: Running | None) -> NoReturn:
        """See `Runner.apply`."""
        raise RunRejected(NOTHING_RUNS)

    async def remove(self, tool: str, running: Running, fence: Fence | None = None) -> None:
        """Return: what does not run is stopped."""

    async def restart(self, tool: str, component: str) -> NoReturn:
        """See `Runner.restart`."""
        raise NothingRuns(NOTHING_RUNS)

    async def start(self, tool: str, component: str) -> NoReturn:
        """See `Runner.start`."""
        raise NothingRuns(NOTHING_RUNS)

    async def log(self, tool: str, component: str, *, follow: bool = False) -> AsyncIterator[str]:
        """See `Runner.log`."""
        raise NothingRuns(NOTHING_RUNS)
        yield ""  # what makes it a generator

    async def ping(self) -> None:
        """Return: there is nothing to ask."""

    async def close(self) -> None:
        """Return: there is nothing to close."""
