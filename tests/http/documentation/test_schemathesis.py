"""Requests made up from the served document get no answer that the document does not have.

All of schemathesis's checks, in all of its phases, the links from one request to the next included:
as the tool, as another tool, and as nobody. The exceptions are in `schemathesis.toml`.
"""

import asyncio
import sys
from asyncio.subprocess import PIPE, STDOUT
from http import HTTPStatus
from pathlib import Path

import pytest
from aiohttp import web
from pytest_aiohttp.plugin import AiohttpServer

from backends.builders.simulated import SimulatedBuilder
from backends.stores.memory import MemoryStore
from components.http.app import create_app
from components.http.identity.access import OPEN_PATHS
from components.settings import Settings
from tests.conftest import ROOT, unmeasured
from tests.http.conftest import HEADER

CONFIGURED = ROOT / "tests/data/schemathesis.toml"
PROGRAM = Path(sys.executable).with_name("schemathesis")


async def made_up(server: AiohttpServer, tmp_path: Path, *options: str) -> list[tuple[str, int]]:
    """Let schemathesis ask whatever it can think of; return the paths and statuses of answers."""
    app = create_app(
        Settings(writes_per_minute=0, reads_per_minute=0, max_running=1, max_queued=1),
        MemoryStore(),
        SimulatedBuilder(0.5),
    )
    answers: list[tuple[str, int]] = []

    async def note(request: web.Request, response: web.StreamResponse) -> None:
        answers.append((request.path, response.status))

    app.on_response_prepare.append(note)
    url = (await server(app)).make_url("/openapi.json")
    fixed = ("--checks=all", "--max-examples=5", "--seed=1", "--workers=1", "--no-color")
    process = await asyncio.create_subprocess_exec(
        PROGRAM,
        f"--config-file={CONFIGURED}",
        "run",
        *fixed,
        *options,
        str(url),
        cwd=tmp_path,
        env=unmeasured(),
        stdout=PIPE,
        stderr=STDOUT,
    )
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()
    assert "Stateful" in output.decode()
    return answers


async def test_no_answer_to_a_tool_is_outside_the_document(
    aiohttp_server: AiohttpServer, tmp_path: Path
) -> None:
    subject = f"--header={HEADER}: CN=mytool,O=toolforge"
    answers = await made_up(aiohttp_server, tmp_path, subject)
    assert {HTTPStatus.OK, HTTPStatus.CREATED} <= {status for _, status in answers}
    assert HTTPStatus.INTERNAL_SERVER_ERROR not in {status for _, status in answers}


@pytest.mark.parametrize("who", ["another tool", "nobody"])
async def test_nobody_else_is_answered_anything_about_a_tool(
    aiohttp_server: AiohttpServer, tmp_path: Path, who: str
) -> None:
    # What succeeds for the tool is refused to others, which these two checks call an error.
    options = ["--exclude-checks=positive_data_acceptance,missing_required_header"]
    if who == "another tool":
        options.append(f"--header={HEADER}: CN=other,O=toolforge")
    answers = await made_up(aiohttp_server, tmp_path, *options)
    guarded = {status for path, status in answers if path not in OPEN_PATHS}
    refusals = {
        HTTPStatus.UNAUTHORIZED,
        HTTPStatus.FORBIDDEN,
        HTTPStatus.BAD_REQUEST,
        HTTPStatus.NOT_FOUND,
        HTTPStatus.METHOD_NOT_ALLOWED,
    }
    assert guarded
    assert guarded <= refusals
