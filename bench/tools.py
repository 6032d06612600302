"""Tools of the measured service: their configurations, and their deployments."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Self, TypeVar

import aiohttp

from bench.load import Request, Work
from tests.factories import configuration

T = TypeVar("T")

AT_ONCE = 16
"""How many requests prepare a service at a time."""

FINAL = ("FINISHED", "ERROR", "CANCELLED")
TIMEOUT = aiohttp.ClientTimeout(total=120)


class Unexpected(Exception):
    """The service did not answer a request of the preparations with 2xx."""


def components(number: int) -> dict[str, Any]:
    """Return a configuration of that many ordinary components."""
    return configuration(*(f"component-{each}" for each in range(number)))


def headers(tool: str) -> dict[str, str]:
    """Return the headers of a maintainer of a tool, as the gateway sends them."""
    return {
        "ssl-client-subject-dn": f"CN={tool},O=toolforge",
        "Content-Type": "application/json",
    }


def path(tool: str, *parts: str) -> str:
    """Return the path of something that belongs to a tool."""
    return "/".join(("/api/v1/tool", tool, *parts))


def get(tool: str, *parts: str) -> Request:
    """Return the request that reads it."""
    return Request(path(tool, *parts), headers=headers(tool))


def post(tool: str, part: str, body: Any) -> Request:
    """Return a request that changes it."""
    return Request(path(tool, part), "POST", headers(tool), json.dumps(body).encode())


def posts(tools: Iterable[str], number: int) -> Work:
    """Return requests that store one and another configuration for each of some tools in turn."""
    return Work(
        tuple(post(tool, "config", components(number + each)) for each in (0, 1) for tool in tools)
    )


@dataclass(frozen=True, slots=True)
class Tools:
    """A client of the service."""

    session: aiohttp.ClientSession
    url: str

    @classmethod
    @asynccontextmanager
    async def at(cls, url: str) -> AsyncIterator[Self]:
        """Open a client of the service at an address."""
        async with aiohttp.ClientSession(timeout=TIMEOUT) as session:
            yield cls(session, url)

    async def send(self, request: Request) -> bytes:
        """Return the body of the response. Raises `Unexpected` if it is an error."""
        url = self.url + request.path
        sending = self.session.request(
            request.method, url, data=request.body or None, headers=request.headers
        )
        async with sending as response:
            content = await response.read()
            if not response.ok:
                raise Unexpected(f"{request.method} {url}: {response.status} {content.decode()}")
            return content

    async def configure(self, tool: str, number: int) -> None:
        """Store a configuration of that many components."""
        await self.send(post(tool, "config", components(number)))

    async def deploy(self, tool: str) -> str:
        """Create a deployment that builds everything; return its id."""
        answer = await self.send(post(tool, "deploy", {"force-build": True}))
        return str(json.loads(answer)["data"]["deploy-id"])

    async def until_final(self, tool: str, deploy_id: str) -> None:
        """Return once a deployment is final."""
        status = ""
        while status not in FINAL:
            answer = await self.send(get(tool, "deploy", f"{deploy_id}?wait=30"))
            status = json.loads(answer)["data"]["status"]

    async def finished(self, tool: str, number: int) -> str:
        """Give a tool a configuration and a finished deployment; return its id."""
        await self.configure(tool, number)
        deploy_id = await self.deploy(tool)
        await self.until_final(tool, deploy_id)
        return deploy_id


async def each_of(names: Iterable[str], do: Callable[[str], Awaitable[T]]) -> list[T]:
    """Do something for each name, some at a time; return the results in the order of the names."""
    at_once = asyncio.Semaphore(AT_ONCE)

    async def one(name: str) -> T:
        async with at_once:
            return await do(name)

    return list(await asyncio.gather(*map(one, names)))
