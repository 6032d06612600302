"""A cancelled build ends with all its processes, however they try to escape."""

import asyncio
import os
import sys

import pytest

from backends.builders.base import BuildStatus
from backends.builders.local.builder import LocalBuilder
from backends.builders.local.process import environment, run
from tests.builders.local.building import built, ended
from tests.builders.local.conftest import Make, Open
from tests.builders.local.processes import gone, that_name
from tests.factories import TOOL, build_request

SLEEP = f"86{os.getpid()}"
"""The sleep of escaped processes: no other process sleeps this long."""

AWAY = f"setsid sh -c 'setsid sh -c \"echo it is away; exec {{0}}sleep {SLEEP}\" &' &"
"""Leaves its group, its session and its parent."""

SERVICE = f"""
import asyncio, sys
from backends.builders.local.process import environment, run

def output(printed):
    sys.stdout.buffer.write(printed)
    sys.stdout.flush()

script = {AWAY.format("")!r} + " sleep {SLEEP}"
asyncio.run(run(("sh", "-c", script), output=output, env=environment()))
"""


@pytest.mark.parametrize("how", ["cancel", "close"])
@pytest.mark.usefixtures("held")
async def test_a_detached_process_ends_with_its_build(
    open_builder: Open, runs: Make, how: str
) -> None:
    builder = await open_builder()
    url = runs(f"{AWAY.format('/busybox ')} exec /busybox sleep {SLEEP}")
    build_id = (await builder.start(build_request(repository=url))).id
    async for line in builder.log(TOOL, build_id, follow=True):
        if line == "it is away":
            break
    assert that_name(f"sleep {SLEEP}")
    if how == "cancel":
        await builder.cancel(TOOL, build_id)
    else:
        await builder.close()
    assert (await ended(builder, build_id)).status is BuildStatus.CANCELLED
    assert that_name(f"sleep {SLEEP}") == {}


@pytest.mark.usefixtures("held")
async def test_background_processes_do_not_keep_a_build_from_ending(
    open_builder: Open, runs: Make
) -> None:
    url = runs(AWAY.format("/busybox "))
    state = await built(await open_builder(), build_request(repository=url))
    assert state.status is BuildStatus.FINISHED
    assert that_name(f"sleep {SLEEP}") == {}


async def test_a_fork_bomb_is_killed(builder: LocalBuilder, runs: Make) -> None:
    url = runs("echo it begins; f() { f & }; setsid sh -c 'f() { f & }; f' & f; sleep 3600")
    build_id = (await builder.start(build_request(repository=url))).id
    async for line in builder.log(TOOL, build_id, follow=True):
        if line == "it begins":
            break
    await builder.cancel(TOOL, build_id)
    assert (await ended(builder, build_id)).status is BuildStatus.CANCELLED


async def test_detached_processes_end_when_the_service_is_killed() -> None:
    service = await asyncio.create_subprocess_exec(
        sys.executable, "-c", SERVICE, stdout=asyncio.subprocess.PIPE
    )
    assert service.stdout is not None
    async with asyncio.timeout(20):
        assert await service.stdout.readline() == b"it is away\n"
    service.kill()
    await service.wait()
    for process in that_name(f"sleep {SLEEP}"):
        await gone(process)
    assert that_name(f"sleep {SLEEP}") == {}


@pytest.mark.parametrize("meanwhile", [f"sleep {SLEEP}", "(true &)"], ids=["waits", "forks"])
async def test_a_program_that_ignores_sigterm_is_killed(meanwhile: str) -> None:
    began = asyncio.Event()
    script = f"trap '' TERM; echo it begins; while true; do {meanwhile}; done"
    running = asyncio.create_task(
        run(("sh", "-c", script), output=lambda _: began.set(), env=environment())
    )
    await began.wait()
    running.cancel()
    await asyncio.wait((running,))
    assert running.cancelled()
    assert that_name(f"sleep {SLEEP}") == {}


async def test_a_missing_program_is_named() -> None:
    with pytest.raises(FileNotFoundError, match="no-such-program is not installed"):
        await run(("no-such-program",), output=bytearray().extend, env=environment())


@pytest.mark.parametrize(("script", "code"), [("exit 7", 7), ("kill -9 $$", 128 + 9)])
async def test_the_exit_code_of_a_program_is_returned(script: str, code: int) -> None:
    assert await run(("sh", "-c", script), output=bytearray().extend, env=environment()) == code
