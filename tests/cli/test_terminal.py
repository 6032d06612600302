"""Output on a terminal of 80 columns: ids are not cut, and one console owns the screen."""

import asyncio
import os
import re
import signal
from pathlib import Path
from typing import Any

import pytest
from pytest_aiohttp.plugin import AiohttpServer

from tests.cli import fake_service
from tests.cli.pseudo_terminal import COLUMNS, terminal

LONG_ID = "birdbot3-deploy-20261124163419-651234"
LONGEST_ID = f"{'t' * 58}-deploy-20261124163419-651234"
LONGEST_NAME = "n" * 63
IMAGE = "registry.example.org/tool-mytool/a-component:2024-04-04-12-00-00-0123456789abcdef"


async def shown(server: AiohttpServer, data: Any, *command: str) -> tuple[str, int]:
    """Return the screen and the exit code of a command if the service responds with `data`."""
    url = await fake_service.serve(server, fake_service.in_turn(fake_service.answer(data)))
    async with terminal(*command, url=url) as session:
        code = await session.end()
    assert max(map(len, session.screen.text.splitlines())) <= COLUMNS
    return session.screen.text, code


@pytest.mark.parametrize("deploy_id", [LONG_ID, LONGEST_ID])
async def test_ids_and_statuses_of_a_list_are_shown_in_full(
    aiohttp_server: AiohttpServer, deploy_id: str
) -> None:
    listed = fake_service.deployment("CANCELLED", web=fake_service.build("CANCELLED")) | {
        "deploy-id": deploy_id
    }
    text, _ = await shown(aiohttp_server, {"deployments": [listed]}, "deployment", "list")
    assert deploy_id in text.replace("\n", "")
    assert " CANCELLED " in text
    assert "2024-04-04 12:00" in text
    assert "0 of 1" in text


async def test_an_ordinary_deployment_takes_one_line_of_a_list(
    aiohttp_server: AiohttpServer,
) -> None:
    listed = fake_service.deployment("FINISHED", web=fake_service.build("FINISHED")) | {
        "deploy-id": LONG_ID
    }
    text, _ = await shown(aiohttp_server, {"deployments": [listed]}, "deployment", "list")
    assert text.splitlines()[1] == f"{LONG_ID}  FINISHED  2024-04-04 12:00  1 of 1"


@pytest.mark.parametrize("name", ["web", LONGEST_NAME])
async def test_a_dry_run_shows_actions_and_reasons(
    aiohttp_server: AiohttpServer, name: str
) -> None:
    reason = f"deployment {LONG_ID!r} built this commit with the same options"
    planned = {"action": "reuse", "commit": "1" * 40, "reason": reason}
    text, _ = await shown(aiohttp_server, {"builds": {name: planned}}, "deploy", "--dry-run")
    assert re.search(rf"^{name} +reuse", text, flags=re.MULTILINE)
    assert "COMPONENT" in text
    assert "ACTION" in text
    assert "1" * 12 in text
    assert re.sub(r"\s", "", reason) in re.sub(r"\s", "", text)


@pytest.mark.parametrize("follow", [(), ("--follow",)])
@pytest.mark.parametrize("name", ["web", LONGEST_NAME])
async def test_images_are_wrapped_but_names_and_statuses_are_not(
    aiohttp_server: AiohttpServer, name: str, follow: tuple[str, ...]
) -> None:
    data = fake_service.deployment(
        "FINISHED", **{name: fake_service.build("FINISHED", image=IMAGE)}
    )
    text, _ = await shown(aiohttp_server, data, "deployment", "show", *follow)
    assert re.search(rf"^{name} +FINISHED", text, flags=re.MULTILINE)
    assert "1m05s" in text
    assert IMAGE in re.sub(r"\s", "", text)


async def test_the_history_is_shown_in_full(aiohttp_server: AiohttpServer) -> None:
    one = {
        "etag": "0123456789abcdef",
        "stored-time": fake_service.TIME,
        "config": {"components": {}},
        "current": True,
    }
    text, _ = await shown(aiohttp_server, {"configurations": [one]}, "config", "history")
    assert text.splitlines()[1].split() == [
        "0123456789abcdef",
        "2024-04-04",
        "12:00",
        "0",
        "current",
    ]


async def test_live_rows_are_clipped_if_the_screen_is_too_low_for_wrapped_ones(
    aiohttp_server: AiohttpServer,
) -> None:
    message = "a long message " * 15
    builds = {f"c{n}": fake_service.build(message=message) for n in range(8)}
    running = fake_service.answer(fake_service.deployment("RUNNING", **builds))
    ends = fake_service.deployment(
        "FINISHED", **dict.fromkeys(builds, fake_service.build("FINISHED"))
    )
    url = await fake_service.serve(
        aiohttp_server, fake_service.in_turn(running, running, fake_service.answer(ends))
    )
    command = ("deployment", "show", "--follow")
    async with terminal(*command, rows=12, url=url) as session:
        await session.until(r"^c7 +RUNNING .*…")
        assert await session.end() == 0
    assert [line.split()[:2] for line in session.screen.text.splitlines()[1:9]] == [
        [name, "FINISHED"] for name in builds
    ]


async def test_a_lost_connection_is_reported_above_the_rows_while_the_time_continues(
    aiohttp_server: AiohttpServer,
) -> None:
    running = fake_service.answer(
        fake_service.deployment(web=fake_service.build(), worker=fake_service.build())
    )
    ends = fake_service.deployment(
        "FINISHED", web=fake_service.build("FINISHED"), worker=fake_service.build("FINISHED")
    )
    available = asyncio.Event()
    answers = [running, running]

    async def handler(request: Any) -> Any:
        if answers:
            return await fake_service.in_turn(answers.pop())(request)
        return await fake_service.in_turn(
            fake_service.answer(ends) if available.is_set() else None
        )(request)

    url = await fake_service.serve(aiohttp_server, handler)
    command = ("deployment", "show", "--follow")
    async with terminal(*command, url=url) as session:
        await session.until("retrying")
        first = elapsed(session.screen.text)
        await session.until(rf"^web +RUNNING +(?!{first} )\S+s")
        available.set()
        assert await session.end() == 0
    heading, *lost, again, web, worker, last = session.screen.text.rstrip().splitlines()
    assert heading.startswith("deployment mytool-deploy-")
    assert "".join(lost).startswith("warning: cannot reach the service at ")
    assert "".join(lost).endswith("; retrying")
    assert again == "the service responds again"
    rows = (web, worker)
    assert [row.split()[:2] for row in rows] == [["web", "FINISHED"], ["worker", "FINISHED"]]
    assert last == "FINISHED"


def elapsed(text: str) -> str:
    found = re.search(r"^web +RUNNING +(\S+)", text, flags=re.MULTILINE)
    assert found
    return found[1]


async def test_messages_of_the_service_are_shown_above_the_live_rows(
    aiohttp_server: AiohttpServer,
) -> None:
    warnings = ["the builder does not answer: " + "x" * 100]
    data = fake_service.deployment(web=fake_service.build())
    ends = fake_service.deployment("FINISHED", web=fake_service.build("FINISHED"))
    answers = (
        fake_service.answer(data),
        fake_service.answer(data, warning=warnings),
        fake_service.answer(ends),
    )
    url = await fake_service.serve(aiohttp_server, fake_service.in_turn(*answers))
    async with terminal("deployment", "show", "--follow", url=url) as session:
        assert await session.end() == 0
    lines = session.screen.text.rstrip().splitlines()
    assert "".join(lines[1:3]) == f"warning: {warnings[0]}"
    assert [line.split()[0] for line in lines[3:]] == ["web", "FINISHED"]


@pytest.mark.parametrize("how", ["--follow", "--wait"])
async def test_ctrl_c_shows_how_to_watch_the_deployment_again(
    aiohttp_server: AiohttpServer, how: str
) -> None:
    requested = asyncio.Event()
    data = fake_service.deployment(web=fake_service.build())

    async def handler(request: Any) -> Any:
        if "wait" in request.query:
            return await fake_service.silent(requested)(request)
        return fake_service.answer(data)

    url = await fake_service.serve(aiohttp_server, handler)
    async with terminal("deployment", "show", how, url=url) as session:
        await requested.wait()
        session.process.send_signal(signal.SIGINT)
        assert await session.end() == 130
    text = "".join(session.screen.text.split("\n"))
    command = f"components deployment show {data['deploy-id']} --follow"
    assert text.endswith(f"the deployment continues; to watch it again: {command}")
    assert "Aborted" not in text


@pytest.mark.parametrize(
    "command",
    [
        ("deployment", "list"),
        ("deployment", "show"),
        ("logs", "web", "--follow"),
        ("config", "show"),
    ],
)
async def test_ctrl_c_before_a_response_prints_nothing(
    aiohttp_server: AiohttpServer, command: tuple[str, ...]
) -> None:
    requested = asyncio.Event()
    url = await fake_service.serve(aiohttp_server, fake_service.silent(requested))
    async with terminal(*command, url=url) as session:
        await requested.wait()
        session.process.send_signal(signal.SIGINT)
        assert await session.end() == 130
    assert session.screen.text.strip() == ""


async def test_ctrl_c_before_the_response_says_that_a_deployment_may_have_been_created(
    aiohttp_server: AiohttpServer,
) -> None:
    requested = asyncio.Event()
    url = await fake_service.serve(aiohttp_server, fake_service.silent(requested))
    async with terminal("deploy", "--follow", url=url) as session:
        await requested.wait()
        session.process.send_signal(signal.SIGINT)
        assert await session.end() == 130
    assert "components deployment list" in session.screen.text


async def test_ctrl_c_stops_a_command_that_waits_for_its_file(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.yaml"
    os.mkfifo(pipe)
    async with terminal("config", "validate", str(pipe)) as session:
        # A FIFO can be opened for writing once the command has opened it for reading.
        writing = await asyncio.to_thread(os.open, pipe, os.O_WRONLY)
        session.process.send_signal(signal.SIGINT)
        assert await session.end() == 130
        os.close(writing)
    assert session.screen.text.strip() == ""
