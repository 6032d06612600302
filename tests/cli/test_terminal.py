"""On a terminal of 80 columns: what must be copied is whole, and one console owns the screen."""

import asyncio
import os
import re
import signal
from pathlib import Path
from typing import Any

import pytest
from pytest_aiohttp.plugin import AiohttpServer

from tests.cli import fake
from tests.cli.terminal import COLUMNS, terminal

LONG_ID = "birdbot3-deploy-20261124163419-651234"
LONGEST_ID = f"{'t' * 58}-deploy-20261124163419-651234"
LONGEST_NAME = "n" * 63
IMAGE = "registry.example.org/tool-mytool/a-component:2024-04-04-12-00-00-0123456789abcdef"


async def shown(server: AiohttpServer, data: Any, *command: str) -> tuple[str, int]:
    """Return what a terminal shows of a command to which the service answers `data`."""
    url = await fake.serve(server, fake.in_turn(fake.answer(data)))
    async with terminal(*command, url=url) as session:
        code = await session.end()
    assert max(map(len, session.screen.text.splitlines())) <= COLUMNS
    return session.screen.text, code


@pytest.mark.parametrize("deploy_id", [LONG_ID, LONGEST_ID])
async def test_ids_and_states_of_a_list_are_whole(
    aiohttp_server: AiohttpServer, deploy_id: str
) -> None:
    listed = fake.deployment("CANCELLED", web=fake.build("CANCELLED")) | {"deploy-id": deploy_id}
    text, _ = await shown(aiohttp_server, {"deployments": [listed]}, "deployment", "list")
    assert deploy_id in text.replace("\n", "")
    assert " CANCELLED " in text
    assert "2024-04-04 12:00" in text
    assert "0 of 1" in text


async def test_an_ordinary_deployment_is_one_line_of_a_list(aiohttp_server: AiohttpServer) -> None:
    listed = fake.deployment("FINISHED", web=fake.build("FINISHED")) | {"deploy-id": LONG_ID}
    text, _ = await shown(aiohttp_server, {"deployments": [listed]}, "deployment", "list")
    assert text.splitlines()[1] == f"{LONG_ID}  FINISHED  2024-04-04 12:00  1 of 1"


@pytest.mark.parametrize("name", ["web", LONGEST_NAME])
async def test_a_dry_run_shows_what_it_would_do_and_why(
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
async def test_images_are_wrapped_and_names_and_states_whole(
    aiohttp_server: AiohttpServer, name: str, follow: tuple[str, ...]
) -> None:
    data = fake.deployment("FINISHED", **{name: fake.build("FINISHED", image=IMAGE)})
    text, _ = await shown(aiohttp_server, data, "deployment", "show", *follow)
    assert re.search(rf"^{name} +FINISHED", text, flags=re.MULTILINE)
    assert "1m05s" in text
    assert IMAGE in re.sub(r"\s", "", text)


async def test_the_history_is_whole(aiohttp_server: AiohttpServer) -> None:
    one = {
        "etag": "0123456789abcdef",
        "stored-time": fake.TIME,
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


async def test_rows_that_have_no_room_when_wrapped_are_clipped_while_they_are_live(
    aiohttp_server: AiohttpServer,
) -> None:
    message = "a message that goes on " * 10
    builds = {f"c{n}": fake.build(message=message) for n in range(8)}
    running = fake.answer(fake.deployment("RUNNING", **builds))
    ends = fake.deployment("FINISHED", **dict.fromkeys(builds, fake.build("FINISHED")))
    url = await fake.serve(aiohttp_server, fake.in_turn(running, running, fake.answer(ends)))
    command = ("deployment", "show", "--follow")
    async with terminal(*command, rows=12, url=url) as session:
        await session.until(r"^c7 +RUNNING .*…")
        assert await session.end() == 0
    assert [line.split()[:2] for line in session.screen.text.splitlines()[1:9]] == [
        [name, "FINISHED"] for name in builds
    ]


async def test_a_lost_connection_is_told_above_the_rows_and_the_clock_goes_on(
    aiohttp_server: AiohttpServer,
) -> None:
    running = fake.answer(fake.deployment(web=fake.build(), worker=fake.build()))
    ends = fake.deployment("FINISHED", web=fake.build("FINISHED"), worker=fake.build("FINISHED"))
    back = asyncio.Event()
    answers = [running, running]

    async def handler(request: Any) -> Any:
        if answers:
            return await fake.in_turn(answers.pop())(request)
        return await fake.in_turn(fake.answer(ends) if back.is_set() else None)(request)

    url = await fake.serve(aiohttp_server, handler)
    command = ("deployment", "show", "--follow")
    async with terminal(*command, url=url) as session:
        await session.until("trying again")
        first = elapsed(session.screen.text)
        await session.until(rf"^web +RUNNING +(?!{first} )\S+s")
        back.set()
        assert await session.end() == 0
    heading, *lost, again, web, worker, last = session.screen.text.rstrip().splitlines()
    assert heading.startswith("deployment mytool-deploy-")
    assert "".join(lost).startswith("warning: cannot reach the service at ")
    assert "".join(lost).endswith("; trying again")
    assert again == "the service answers again"
    rows = (web, worker)
    assert [row.split()[:2] for row in rows] == [["web", "FINISHED"], ["worker", "FINISHED"]]
    assert last == "FINISHED"


def elapsed(text: str) -> str:
    found = re.search(r"^web +RUNNING +(\S+)", text, flags=re.MULTILINE)
    assert found
    return found[1]


async def test_messages_of_the_service_go_above_what_is_live(aiohttp_server: AiohttpServer) -> None:
    told = ["the builder does not answer: " + "x" * 100]
    data = fake.deployment(web=fake.build())
    ends = fake.deployment("FINISHED", web=fake.build("FINISHED"))
    answers = (fake.answer(data), fake.answer(data, warning=told), fake.answer(ends))
    url = await fake.serve(aiohttp_server, fake.in_turn(*answers))
    async with terminal("deployment", "show", "--follow", url=url) as session:
        assert await session.end() == 0
    lines = session.screen.text.rstrip().splitlines()
    assert "".join(lines[1:3]) == f"warning: {told[0]}"
    assert [line.split()[0] for line in lines[3:]] == ["web", "FINISHED"]


@pytest.mark.parametrize("how", ["--follow", "--wait"])
async def test_ctrl_c_leaves_the_deployment_and_says_how_to_come_back(
    aiohttp_server: AiohttpServer, how: str
) -> None:
    asked = asyncio.Event()
    data = fake.deployment(web=fake.build())

    async def handler(request: Any) -> Any:
        if "wait" in request.query:
            return await fake.silent(asked)(request)
        return fake.answer(data)

    url = await fake.serve(aiohttp_server, handler)
    async with terminal("deployment", "show", how, url=url) as session:
        await asked.wait()
        session.process.send_signal(signal.SIGINT)
        assert await session.end() == 130
    text = "".join(session.screen.text.split("\n"))
    back = f"components deployment show {data['deploy-id']} --follow"
    assert text.endswith(f"the deployment goes on; to come back to it: {back}")
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
async def test_ctrl_c_before_an_answer_is_silent(
    aiohttp_server: AiohttpServer, command: tuple[str, ...]
) -> None:
    asked = asyncio.Event()
    url = await fake.serve(aiohttp_server, fake.silent(asked))
    async with terminal(*command, url=url) as session:
        await asked.wait()
        session.process.send_signal(signal.SIGINT)
        assert await session.end() == 130
    assert session.screen.text.strip() == ""


async def test_ctrl_c_before_a_deployment_is_answered_says_that_there_may_be_one(
    aiohttp_server: AiohttpServer,
) -> None:
    asked = asyncio.Event()
    url = await fake.serve(aiohttp_server, fake.silent(asked))
    async with terminal("deploy", "--follow", url=url) as session:
        await asked.wait()
        session.process.send_signal(signal.SIGINT)
        assert await session.end() == 130
    assert "components deployment list" in session.screen.text


async def test_ctrl_c_ends_a_command_that_waits_for_its_file(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.yaml"
    os.mkfifo(pipe)
    async with terminal("config", "validate", str(pipe)) as session:
        # It can be opened once the other side is open too.
        writing = await asyncio.to_thread(os.open, pipe, os.O_WRONLY)
        session.process.send_signal(signal.SIGINT)
        assert await session.end() == 130
        os.close(writing)
    assert session.screen.text.strip() == ""
