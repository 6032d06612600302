"""Following a deployment until it is final: what is asked, how often, and what is waited out."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import replace
from datetime import timedelta
from http import HTTPStatus
from typing import Any

from components.cli.client import Client, Reply, ServiceError
from components.cli.output import Output
from components.cli.screen import screen

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
    with screen(output, reply, quiet=quiet) as (owner, show):
        try:
            async with asyncio.timeout(seconds):
                replies = _by_the_clock(_replies(client, owner, reply))
                async with aclosing(replies):
                    async for last in replies:
                        show(last)
        except TimeoutError:
            pass  # the last reply says how far it has come
    return last


async def _by_the_clock(replies: AsyncGenerator[Reply, None]) -> AsyncGenerator[Reply, None]:
    """Yield each reply and, every second until the next one, the same with the time it is then."""
    clock = asyncio.get_running_loop().time
    async with aclosing(replies):
        coming = asyncio.create_task(_next(replies))
        try:
            while reply := await coming:
                yield reply
                came, coming = clock(), asyncio.create_task(_next(replies))
                while not (await asyncio.wait((coming,), timeout=1))[0]:
                    yield replace(reply, date=reply.date + timedelta(seconds=clock() - came))
        finally:
            coming.cancel()
            await asyncio.gather(coming, return_exceptions=True)


async def _next(replies: AsyncGenerator[Reply, None]) -> Reply | None:
    return await anext(replies, None)


async def _replies(client: Client, output: Output, reply: Reply) -> AsyncGenerator[Reply, None]:
    """Yield a reply for each change until it is final; tell of failures that pass."""
    told = {*reply.info, *reply.warnings, *reply.errors}
    clock = asyncio.get_running_loop().time
    path = f"deploy/{reply.data['deploy-id']}"
    failures: dict[str, None] = {}
    yield reply
    pause, failing_since = FIRST_PAUSE_SECONDS, clock()
    while not is_final(reply.data):
        began = clock()
        try:
            reply = await client.changed(path, reply, WAIT_SECONDS)
        except ServiceError as error:
            failing_since = failing_since if failures else clock()
            if not _may_pass(error, clock() - failing_since):
                raise
            fresh = [each for each in error.errors if each not in failures]
            output.messages(warnings=[f"{each}; trying again" for each in fresh])
            failures |= dict.fromkeys(error.errors)
            await asyncio.sleep(error.retry_after or pause)
            pause = min(pause * 1.5, MAX_PAUSE_SECONDS)
            continue
        if failures:
            output.messages(info=["the service answers again"])
        pause, failures = FIRST_PAUSE_SECONDS, {}
        yield reply
        _tell(output, told, reply)
        if not is_final(reply.data) and clock() - began < FIRST_PAUSE_SECONDS:
            # Whatever makes a service answer at once each time, it is not asked in a rush.
            await asyncio.sleep(FIRST_PAUSE_SECONDS)


def _may_pass(error: ServiceError, seconds: float) -> bool:
    """Whether to ask again after a failure; who is told to ask later does so for any time."""
    is_busy = error.status == HTTPStatus.TOO_MANY_REQUESTS
    return error.passing and (is_busy or seconds <= PATIENCE_SECONDS)


def _tell(output: Output, told: set[str], reply: Reply) -> None:
    """Show the messages that have not been shown yet."""
    output.messages(
        info=[each for each in reply.info if each not in told],
        warnings=[each for each in reply.warnings if each not in told],
        errors=[each for each in reply.errors if each not in told],
    )
    told |= {*reply.info, *reply.warnings, *reply.errors}
