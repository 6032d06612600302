"""What all rows share: how long to measure, the load, the servers, and worlds that several need."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

from bench.cores import Cores
from bench.load import Load, Work
from bench.processes import Server, server
from bench.tools import Tools
from components.settings import PREFIX

T = TypeVar("T")

SETTINGS = {
    "COMPONENTS_PORT": "{port}",
    "COMPONENTS_LOG_LEVEL": "INFO",
    # Budgets are per tool, and the load is that of one.
    "COMPONENTS_READS_PER_MINUTE": "0",
    "COMPONENTS_WRITES_PER_MINUTE": "0",
    "COMPONENTS_MAX_HELD": "0",
}
"""The settings of the measured service; all others have their defaults."""

KUBECONFIG = "KUBECONFIG"
"""The one variable that has no prefix of ours."""

SERVE = ("-c", "from components.cli import main; main()", "serve")


@dataclass
class Bench:
    """A run: `rounds` alternate, a figure takes `seconds`, and `many` tools are many."""

    rounds: int
    seconds: float
    many: int
    directory: Path
    cores: Cores
    load: Load
    stack: AsyncExitStack
    _worlds: dict[object, Any] = field(default_factory=dict)
    _numbers: "count[int]" = field(default_factory=count)

    async def once(self, make: Callable[["Bench"], Awaitable[T]]) -> T:
        """Return what `make` returned the first time; it is kept until the end of the run."""
        if make not in self._worlds:
            self._worlds[make] = await make(self)
        found: T = self._worlds[make]
        return found

    @asynccontextmanager
    async def service(self, **settings: str) -> AsyncIterator[Server]:
        """Run the service, with more settings (without their prefix) than `SETTINGS`."""
        named = {name if name == KUBECONFIG else PREFIX + name: settings[name] for name in settings}
        env = SETTINGS | named
        log = self.file("service.log")
        async with server(self.cores, log, *SERVE, env=env) as started:
            yield started

    def bare(self, body: bytes) -> AbstractAsyncContextManager[Server]:
        """Run a plain aiohttp server that answers each request with these bytes."""
        file = self.file("body")
        file.write_bytes(body)
        command = ("-m", "bench.bare", "answer", "{port}", str(file))
        return server(self.cores, self.file("bare.log"), *command)

    def file(self, name: str) -> Path:
        """Return a new path in the directory of the run."""
        return self.directory / f"{next(self._numbers)}-{name}"

    async def rate(self, measured: Server, work: Work) -> float:
        """Return how many answers a server gives in a second of its processor time.

        That is what it would give in a second with a core of its own and enough load; the load is
        then measured neither if it is too slow, nor if the machine does something else.
        """
        before = measured.cpu_seconds()
        answers = await self.load.press(measured.url, work, self.seconds)
        return answers / (measured.cpu_seconds() - before)


@asynccontextmanager
async def tools_of(measured: Server) -> AsyncIterator[Tools]:
    """Use a service as the maintainers of its tools."""
    async with Tools.at(measured.url) as tools:
        yield tools
