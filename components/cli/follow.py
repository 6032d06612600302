"""Following a deployment until it is final: live on a terminal, line by line elsewhere."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from typing import Any

from rich.live import Live

from components.cli.client import Client, Reply, ServiceError
from components.cli.output import Output, builds_table, elapsed, first_line

WAIT_SECONDS = 30.0
"""How long the service may hold an answer."""

FIRST_PAUSE_SECONDS = 0.2
MAX_PAUSE_SECONDS = 2.0
PATIENCE_SECONDS = 60.0
"""How long it may go on failing in a way that may pass."""

_FINAL = ("FINISHED", "ERROR", "CANCELLED")


def is_final(deployment: Mapping[str, Any]) -> bool:
    """Whether a deployment, as the service answers it, has ended."""
    return deployment["status"] in _FINAL


async def follow(client: Client, output: Output, reply: Reply) -> Reply:
    """Show a deployment until it is final; return the last reply. Raises `ServiceError`.

    The service answers when something has changed. Its messages are shown once each. A failure that
    may pass is told and waited out.
    """
    told = {*reply.info, *reply.warnings, *reply.errors}
    loop = asyncio.get_running_loop()
    path = f"deploy/{reply.data['deploy-id']}"
    with ExitStack() as stack:
        show = _shown(output, stack, len(reply.data["builds"]))
        show(reply)
        pause, failing_since = FIRST_PAUSE_SECONDS, None
        while not is_final(reply.data):
            began = loop.time()
            try:
                reply = await _changed(client, path, reply, show)
            except ServiceError as error:
                failing_since = failing_since or loop.time()
                if not error.passing or loop.time() - failing_since > PATIENCE_SECONDS:
                    raise
                _tell(output, told, error.warnings, error.errors)
                await asyncio.sleep(pause)
                pause = min(pause * 1.5, MAX_PAUSE_SECONDS)
            else:
                pause, failing_since = FIRST_PAUSE_SECONDS, None
                _tell(output, told, (*reply.info, *reply.warnings), reply.errors)
                show(reply)
                if not is_final(reply.data) and loop.time() - began < FIRST_PAUSE_SECONDS:
                    # Whatever makes a service answer at once each time, it is not asked in a rush.
                    await asyncio.sleep(FIRST_PAUSE_SECONDS)
    return reply


async def _changed(client: Client, path: str, reply: Reply, show: Callable[[Reply], None]) -> Reply:
    """Wait for a change; meanwhile, show every second how time passes."""
    waiting = asyncio.create_task(client.changed(path, reply, WAIT_SECONDS))
    shown = reply
    try:
        while not (await asyncio.wait((waiting,), timeout=1))[0]:
            shown = replace(shown, date=shown.date + timedelta(seconds=1))
            show(shown)
        return waiting.result()
    finally:
        waiting.cancel()
        await asyncio.wait((waiting,))


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
