"""Following a deployment until it is final: live on a terminal, line by line elsewhere."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Any

from rich.live import Live

from components.cli.client import Client, Reply, ServiceError
from components.cli.output import Output, builds_table, elapsed

FIRST_POLL_SECONDS = 0.2
MAX_POLL_SECONDS = 2.0
PATIENCE = 30
"""How many polls in a row may fail in a way that may pass."""

_FINAL = ("FINISHED", "ERROR", "CANCELLED")


def is_final(deployment: Mapping[str, Any]) -> bool:
    """Whether a deployment, as the service answers it, has ended."""
    return deployment["status"] in _FINAL


async def follow(client: Client, output: Output, reply: Reply) -> Reply:
    """Show a deployment until it is final; return the last reply. Raises `ServiceError`."""
    with ExitStack() as stack:
        show = _shown(output, stack)
        show(reply)
        failures, pause = 0, FIRST_POLL_SECONDS
        while not is_final(reply.data):
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, MAX_POLL_SECONDS)
            try:
                reply = await client.request("GET", f"deploy/{reply.data['deploy-id']}")
            except ServiceError as error:
                failures += 1
                if not error.passing or failures > PATIENCE:
                    raise
            else:
                failures = 0
                show(reply)
    return reply


def _shown(output: Output, stack: ExitStack) -> Callable[[Reply], None]:
    if output.as_json:
        return lambda reply: None
    if output.out.is_terminal:
        live = stack.enter_context(Live(console=output.out, auto_refresh=False))
        return lambda reply: live.update(builds_table(reply.data, reply.date), refresh=True)
    return _changes(output)


def _changes(output: Output) -> Callable[[Reply], None]:
    """Print a line for a component whenever its status or message has changed."""
    seen: dict[str, tuple[str, str]] = {}

    def show(reply: Reply) -> None:
        for name, build in reply.data["builds"].items():
            now = (build["status"], build["message"])
            if seen.get(name) != now:
                seen[name] = now
                parts = (name, build["status"], elapsed(reply.data, build, reply.date))
                output.line("  ".join(filter(None, (*parts, build["message"]))))

    return show
