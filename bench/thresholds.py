"""What `make bench-check` demands: all of it in this place.

The ratios are what is reached now; many of them are below what docs/performance.md is to reach. The
check allows half of each, or twice if lower is better, so that only a change of the code fails it.
Whoever makes something faster enters the new ratio here. Counts have no tolerance.
"""

from collections.abc import Iterator, Mapping
from types import MappingProxyType

from bench.row import Better
from bench.table import Line

TOLERANCE = 2.0

RATIOS: Mapping[str, float] = MappingProxyType(
    {
        "get-config": 0.12,
        "get-deployment": 0.11,
        "list-deployments": 0.097,
        "healthz": 0.23,
        "post-config": 0.03,
        "idle-memory": 1.6,
        "start": 2.3,
        "kubernetes-config": 0.13,
        "kubernetes-deployment": 0.13,
        "kubernetes-deploy": 1.7,
        "tools-config": 1.1,
        "tools-list": 1.2,
        "tools-post": 1.1,
        "deployments-list": 3.1,
        "deployments-deploy": 1.3,
    }
)

LEAST_COUNTS: Mapping[str, float] = MappingProxyType({"launch-50": 50})
"""Of what a row counts, there must be at least so many: launches in flight."""

MOST_COUNTS: Mapping[str, float] = MappingProxyType({"kubernetes-deploy": 4})
"""And at most so many: calls to the API server."""

STORE_CALLS: Mapping[str, int] = MappingProxyType(
    {
        "GET config": 1,
        "POST config": 4,
        "POST deploy": 4,
        "GET a running deployment": 1,
        "GET a final deployment": 1,
        "GET the list of deployments": 1,
    }
)
"""How many calls to the store each kind of request makes."""


def problems(line: Line) -> Iterator[str]:
    """Yield what has become worse than allowed, as lines that name it and both figures."""
    name, result = line.row.name, line.result
    if result is None:
        return
    reached = RATIOS.get(name)
    if reached is not None:
        higher = line.row.better is Better.HIGHER
        allowed = reached / TOLERANCE if higher else reached * TOLERANCE
        if (result.ratio < allowed) if higher else (result.ratio > allowed):
            most = "least" if higher else "most"
            yield f"{name}: the ratio is {result.ratio:.3g}, and at {most} {allowed:.3g} is allowed"
    if result.count is not None:
        if result.count < (least := LEAST_COUNTS.get(name, result.count)):
            yield f"{name}: {result.note}, and at least {least:g} are demanded"
        if result.count > (most_ := MOST_COUNTS.get(name, result.count)):
            yield f"{name}: {result.note}, and at most {most_:g} are allowed"


def call_problems(calls: Mapping[str, int]) -> Iterator[str]:
    """Yield which kinds of requests make more calls to the store than they did."""
    for name, allowed in STORE_CALLS.items():
        if calls[name] > allowed:
            yield f"{name}: {calls[name]} calls to the store, and at most {allowed} are allowed"
