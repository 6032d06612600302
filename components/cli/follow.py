"""Following a deployment until it is final: live on a terminal, line by line elsewhere."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import ExitStack, aclosing
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


async def follow(
    client: Client,
    output: Output,
    reply: Reply,
    seconds: float | None = None,
    *,
    quiet: bool = False,
) -> Reply:
    """Show a deployment until it is final, or for some seconds; return the last reply.

    The service answers when something has changed. Its messages are shown once each. A failure that
    may pass is told and waited out. If `quiet`, only messages are shown. Raises `ServiceError`.
    """
    last = reply
    with ExitStack() as stack:
        show = _silent if quiet else _shown(output, stack, len(reply.data["builds"]))
        try:
            async with asyncio.timeout(seconds):
                async with aclosing(_replies(client, output, reply)) as replies:
                    async for last in replies:
                        show(last)
        except TimeoutError:
            pass  # the last reply says how far it has come
    return last


def _silent(reply: Reply) -> None:
    """Show nothing."""


async def _replies(client: Client, output: Output, reply: Reply) -> AsyncGenerator[Reply, None]:
    """Yield a reply for each change, and each second a newer date, until it is final."""
    told = {*reply.info, *reply.warnings, *reply.errors}
    loop = asyncio.get_running_loop()
    path = f"deploy/{reply.data['deploy-id']}"
    yield reply
    pause, failing_since = FIRST_PAUSE_SECONDS, None
    while not is_final(reply.data):
        began = loop.time()
        try:
            async with aclosing(_changed(client, path, reply)) as news:
                async for each in news:
                    reply = each
                    yield reply
        except ServiceError as error:
            failing_since = failing_since or loop.time()
            if not error.passing or loop.time() - failing_since > PATIENCE_SECONDS:
                raise
            _tell(output, told, (), error.warnings, error.errors)
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, MAX_PAUSE_SECONDS)
        else:
            pause, failing_since = FIRST_PAUSE_SECONDS, None
            _tell(output, told, reply.info, reply.warnings, reply.errors)
            if not is_final(reply.data) and loop.time() - began < FIRST_PAUSE_SECONDS:
                # Whatever makes a service answer at once each time, it is not asked in a rush.
                await asyncio.sleep(FIRST_PAUSE_SECONDS)


async def _changed(client: Client, path: str, reply: Reply) -> AsyncGenerator[Reply, None]:
    """Wait for a change, and yield it last; meanwhile, every second, how time passes."""
    waiting = asyncio.create_task(client.changed(path, reply, WAIT_SECONDS))
    try:
        while not (await asyncio.wait((waiting,), timeout=1))[0]:
            reply = replace(reply, date=reply.date + timedelta(seconds=1))
            yield reply
        yield waiting.result()
    finally:
        waiting.cancel()
        await asyncio.wait((waiting,))


def _tell(
    output: Output,
    told: set[str],
    info: tuple[str, ...],
    warnings: tuple[str, ...],
    errors: tuple[str, ...],
) -> None:
    """Show the messages that have not been shown yet."""
    output.messages(
        info=[each for each in info if each not in told],
        warnings=[each for each in warnings if each not in told],
        errors=[each for each in errors if each not in told],
    )
    told |= {*info, *warnings, *errors}


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
