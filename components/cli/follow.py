"""Following a deployment until it is final: live on a terminal, line by line elsewhere."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Any

from rich.live import Live

from components.cli.client import Client, Reply, ServiceError
from components.cli.output import Output, builds_table, elapsed, first_line

FIRST_POLL_SECONDS = 0.2
MAX_POLL_SECONDS = 2.0
PATIENCE_SECONDS = 60.0
"""How long polls may go on failing in a way that may pass."""

_FINAL = ("FINISHED", "ERROR", "CANCELLED")


def is_final(deployment: Mapping[str, Any]) -> bool:
    """Whether a deployment, as the service answers it, has ended."""
    return deployment["status"] in _FINAL


async def follow(client: Client, output: Output, reply: Reply) -> Reply:
    """Show a deployment until it is final; return the last reply. Raises `ServiceError`.

    Messages of the service are shown once each. A failure that may pass is told and waited out.
    """
    told = {*reply.info, *reply.warnings, *reply.errors}
    loop = asyncio.get_running_loop()
    with ExitStack() as stack:
        show = _shown(output, stack, len(reply.data["builds"]))
        show(reply)
        pause, failing_since = FIRST_POLL_SECONDS, None
        while not is_final(reply.data):
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, MAX_POLL_SECONDS)
            try:
                reply = await client.request("GET", f"deploy/{reply.data['deploy-id']}")
            except ServiceError as error:
                failing_since = failing_since or loop.time()
                if not error.passing or loop.time() - failing_since > PATIENCE_SECONDS:
                    raise
                _tell(output, told, error.warnings, error.errors)
            else:
                failing_since = None
                _tell(output, told, (*reply.info, *reply.warnings), reply.errors)
                show(reply)
    return reply


def _tell(
    output: Output, told: set[str], warnings: tuple[str, ...], errors: tuple[str, ...]
) -> None:
    """Show the messages that have not been shown yet."""
    output.messages(
        warnings=[each for each in warnings if each not in told],
        errors=[each for each in errors if each not in told],
    )
    told |= {*warnings, *errors}


def _shown(output: Output, stack: ExitStack, lines: int) -> Callable[[Reply], None]:
    if output.as_json:
        return lambda reply: None
    # What does not fit on the terminal could not be shown live.
    if output.out.is_terminal and lines < output.out.height:
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
                output.line("  ".join(filter(None, (*parts, first_line(build["message"])))))

    return show
