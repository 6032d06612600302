"""How the cost of a request grows: with the tools, and with the deployments of each."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from bench.context import Bench, tools_of
from bench.crowd import COMPONENTS, crowd, filled
from bench.load import Work
from bench.processes import Server
from bench.rounds import Result, alternate
from bench.row import Better, Row, Unit
from bench.tools import get, post, posts

FEW, TOOL = 10, "tool-5"
KEPT = 10

WORK = {
    "config": Work((get(TOOL, "config"),)),
    "deployment": Work((get(TOOL, "deploy", "latest"),)),
    "list": Work((get(TOOL, "deploy"),)),
    # One after another: of one tool, they would be in each other's way.
    "post": replace(posts([TOOL], COMPONENTS), connections=1),
    "deploy": Work((post(TOOL, "deploy", {"force-build": True}),), connections=1),
}
WHAT = {
    "config": "GET config",
    "deployment": "GET the latest deployment",
    "list": "GET the list of deployments",
    "post": "POST config",
    "deploy": "POST deploy",
}


@dataclass(frozen=True, slots=True)
class Pair:
    """A service with much, and one with little."""

    much: Server
    little: Server


async def many_tools(bench: Bench) -> Pair:
    """Return the services with many and with few tools; use it with `Bench.once`."""
    much = await bench.once(crowd)
    return Pair(much.service, (await filled(bench, FEW)).service)


async def many_deployments(bench: Bench) -> Pair:
    """Return services whose one tool has many deployments and one; use it with `Bench.once`."""
    return Pair(await _with_deployments(bench, KEPT), await _with_deployments(bench, 1))


async def _with_deployments(bench: Bench, kept: int) -> Server:
    settings = {"SIMULATED_BUILD_SECONDS": "0", "DEPLOYMENTS_KEPT": str(kept)}
    service = await bench.stack.enter_async_context(bench.service(**settings))
    async with tools_of(service) as tools:
        for _ in range(kept):
            await tools.finished(TOOL, COMPONENTS)
    return service


async def compare(bench: Bench, pair: Pair, work: Work) -> Result:
    """Measure the cost of a request in both, in seconds of processor time."""

    async def cost(server: Server) -> float:
        return 1 / await bench.rate(server, work)

    return await alternate(bench.rounds, lambda: cost(pair.much), lambda: cost(pair.little))


def _row(
    group: str,
    kind: str,
    much: str,
    little: str,
    target: str,
    make: Callable[[Bench], Awaitable[Pair]],
) -> Row:
    async def measure(bench: Bench) -> Result:
        return await compare(bench, await bench.once(make), WORK[kind])

    what = f"{WHAT[kind]}, {much}"
    against = f"the same with {little}"
    return Row(f"{group}-{kind}", what, against, Unit.MICROSECONDS, Better.LOWER, target, measure)


ROWS = (
    *(
        _row("tools", kind, "many tools", f"{FEW} tools", "1", many_tools)
        for kind in ("config", "deployment", "list", "post", "deploy")
    ),
    *(
        _row("deployments", kind, f"{KEPT} deployments", "1 deployment", target, many_deployments)
        for kind, target in (("config", "1"), ("deployment", "1"), ("list", "10"), ("deploy", "1"))
    ),
)
