"""Load on a server: wrk where it is installed, and the client of `bench.client` otherwise."""

import asyncio
import json
import math
import shutil
from abc import ABC, abstractmethod
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from yarl import URL

from bench import client

CONNECTIONS = 32
ASCII = 128

_WRK_SCRIPT = """\
local requests, turn = {{}}, 0
{requests}
request = function()
  turn = turn % #requests + 1
  return requests[turn]
end
done = function(summary)
  local errors = summary.errors
  local failed = errors.status + errors.connect + errors.read + errors.write + errors.timeout
  io.write(string.format('\\n{{"answers": %d, "failed": %d}}\\n', summary.requests, failed))
end
"""


class LoadFailed(Exception):
    """Some requests were not answered with 2xx, so that their rate means nothing."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request."""

    path: str
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    def message(self, address: tuple[str, int]) -> bytes:
        """Return it as it is sent to a host and a port."""
        headers = {"Host": "{}:{}".format(*address), **self.headers}
        if self.body:
            headers["Content-Length"] = str(len(self.body))
        lines = [f"{name}: {value}" for name, value in headers.items()]
        head = "\r\n".join([f"{self.method} {self.path} HTTP/1.1", *lines, "", ""])
        return head.encode() + self.body


@dataclass(frozen=True, slots=True)
class Work:
    """Requests that take turns, on so many connections, each of which has one at a time."""

    requests: tuple[Request, ...]
    connections: int = CONNECTIONS


class Load(ABC):
    """Something that keeps a server busy."""

    name: str

    @abstractmethod
    async def press(self, url: str, work: Work, seconds: float) -> int:
        """Repeat requests for some seconds; return how many were answered.

        Raises `LoadFailed` if one was not answered with 2xx.
        """


@dataclass(frozen=True, slots=True)
class Wrk(Load):
    """The program wrk."""

    program: str
    directory: Path
    name: str = "wrk"

    async def press(self, url: str, work: Work, seconds: float) -> int:
        """See `Load.press`; wrk knows whole seconds only."""
        script = self.directory / "wrk.lua"
        script.write_text(wrk_script(address_of(url), work))
        whole = str(max(1, math.ceil(seconds)))
        options = ("-t", "1", "-c", str(work.connections), "-d", whole, "-s", str(script))
        process = await asyncio.create_subprocess_exec(
            self.program, *options, url, stdout=PIPE, stderr=STDOUT
        )
        output, _ = await process.communicate()
        lines = output.decode().splitlines()
        report = json.loads(next((each for each in lines if each.startswith("{")), "{}"))
        if process.returncode or report.get("failed", 1) or not report["answers"]:
            raise LoadFailed(f"{work.requests[0].path}: {output.decode()}")
        return int(report["answers"])


@dataclass(frozen=True, slots=True)
class OwnClient(Load):
    """The small client, in this process."""

    name: str = "asyncio"

    async def press(self, url: str, work: Work, seconds: float) -> int:
        """See `Load.press`."""
        address = address_of(url)
        messages = [each.message(address) for each in work.requests]
        counted = await client.repeat(address, messages, work.connections, seconds)
        if counted.failed:
            raise LoadFailed(f"{work.requests[0].path}: {counted.failed} failed")
        return counted.answers


def load_here(directory: Path) -> Load:
    """Return wrk if it is installed, and the small client otherwise."""
    program = shutil.which("wrk")
    return Wrk(program, directory) if program else OwnClient()


def address_of(url: str) -> tuple[str, int]:
    """Return the host and the port of a URL."""
    parsed = URL(url)
    return parsed.host or "", parsed.port or 80


def wrk_script(address: tuple[str, int], work: Work) -> str:
    """Return the Lua script that makes wrk send the requests, and report in JSON."""
    messages = (each.message(address) for each in work.requests)
    lines = (f"requests[{n}] = {_lua(each)}" for n, each in enumerate(messages, start=1))
    return _WRK_SCRIPT.format(requests="\n".join(lines))


def _lua(text: bytes) -> str:
    """Return bytes as a string of Lua: each one that is not a letter or digit as its number."""
    plain = (chr(each) if chr(each).isalnum() and each < ASCII else f"\\{each:03}" for each in text)
    return f'"{"".join(plain)}"'
