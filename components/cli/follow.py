"""Following a deployment until it is final: long polling, retries and new messages."""

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
"""How long the service may delay a response until something changes."""

FIRST_PAUSE_SECONDS = 0.2
MAX_PAUSE_SECONDS = 2.0
RETRY_SECONDS = 60.0
"""How long requests are retried after temporary errors."""

_FINAL = ("FINISHED", "ERROR", "CANCELLED")


def is_final(deployment: Mapping[str, Any]) -> bool:
    """Whether a deployment has ended."""
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

    The service responds when something has changed. Each of its messages is shown once. Requests
    are retried after temporary errors, with a warning. If `quiet`, only messages are shown. Raises
    `ServiceError`.
    """
    last = reply
    with screen(output, reply, quiet=quiet) as (owner, show):
        try:
            async with asyncio.timeout(seconds):
                replies = _every_second(_replies(client, owner, reply))
                async with aclosing(replies):
                    async for last in replies:
                        show(last)
        except TimeoutError:
            pass  # the last reply has the progress so far
    return last


async def _every_second(replies: AsyncGenerator[Reply, None]) -> AsyncGenerator[Reply, None]:
    """Yield each reply and, every second until the next one, the same with the current time."""
    clock = asyncio.get_running_loop().time
    async with aclosing(replies):
        upcoming = asyncio.create_task(_next(replies))
        try:
            while reply := await upcoming:
                yield reply
                received, upcoming = clock(), asyncio.create_task(_next(replies))
                while not (await asyncio.wait((upcoming,), timeout=1))[0]:
                    yield replace(reply, date=reply.date + timedelta(seconds=clock() - received))
        finally:
            upcoming.cancel()
            await asyncio.gather(upcoming, return_exceptions=True)


async def _next(replies: AsyncGenerator[Reply, None]) -> Reply | None:
    return await anext(replies, None)


async def _replies(client: Client, output: Output, reply: Reply) -> AsyncGenerator[Reply, None]:
    """Yield a reply for each change until it is final; warn about temporary errors."""
    shown = {*reply.info, *reply.warnings, *reply.errors}
    clock = asyncio.get_running_loop().time
    path = f"deploy/{reply.data['deploy-id']}"
    failures: dict[str, None] = {}
    yield reply
    pause, failing_since = FIRST_PAUSE_SECONDS, clock()
    while not is_final(reply.data):
        began = clock()
        try:
            reply = await client.wait_for_change(path, reply, WAIT_SECONDS)
        except ServiceError as error:
            failing_since = failing_since if failures else clock()
            if not _should_retry(error, clock() - failing_since):
                raise
            new = [each for each in error.errors if each not in failures]
            output.messages(warnings=[f"{each}; retrying" for each in new])
            failures |= dict.fromkeys(error.errors)
            await asyncio.sleep(error.retry_after or pause)
            pause = min(pause * 1.5, MAX_PAUSE_SECONDS)
            continue
        if failures:
            output.messages(info=["the service responds again"])
        pause, failures = FIRST_PAUSE_SECONDS, {}
        yield reply
        _show_new_messages(output, shown, reply)
        if not is_final(reply.data) and clock() - began < FIRST_PAUSE_SECONDS:
            # Limit the rate of requests if the service always responds at once.
            await asyncio.sleep(FIRST_PAUSE_SECONDS)


def _should_retry(error: ServiceError, seconds: float) -> bool:
    """Whether to retry after an error; after 429, without a time limit."""
    is_busy = error.status == HTTPStatus.TOO_MANY_REQUESTS
    return error.temporary and (is_busy or seconds <= RETRY_SECONDS)


def _show_new_messages(output: Output, shown: set[str], reply: Reply) -> None:
    """Show the messages that have not been shown yet."""
    output.messages(
        info=[each for each in reply.info if each not in shown],
        warnings=[each for each in reply.warnings if each not in shown],
        errors=[each for each in reply.errors if each not in shown],
    )
    shown |= {*reply.info, *reply.warnings, *reply.errors}
