"""Requests that schemathesis generates from the document get only documented responses.

All checks in all phases, including links between requests: as the tool, as another tool, and
without a subject. The exceptions are in `schemathesis.toml`.
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
from components.http.identity.identification import TOOL_HEADER
from components.http.identity.needs import PUBLIC_PATHS
from components.settings import Settings
from tests.conftest import ROOT, unmeasured
from tests.http.conftest import HEADER

CONFIGURED = ROOT / "tests/data/schemathesis.toml"
PROGRAM = Path(sys.executable).with_name("schemathesis")


async def run_schemathesis(
    server: AiohttpServer,
    tmp_path: Path,
    *options: str,
    phases: str = "examples,coverage,fuzzing,stateful",
    **settings: bool,
) -> list[tuple[str, int]]:
    """Run schemathesis; return the paths and statuses of the responses."""
    app = create_app(
        Settings(writes_per_minute=0, reads_per_minute=0, max_running=1, max_queued=1, **settings),  # type: ignore[arg-type]
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
        f"--phases={phases}",
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


async def test_all_responses_to_a_tool_are_documented(
    aiohttp_server: AiohttpServer, tmp_path: Path
) -> None:
    subject = f"--header={HEADER}: CN=mytool,O=toolforge"
    answers = await run_schemathesis(aiohttp_server, tmp_path, subject)
    assert {HTTPStatus.OK, HTTPStatus.CREATED} <= {status for _, status in answers}
    assert HTTPStatus.INTERNAL_SERVER_ERROR not in {status for _, status in answers}


@pytest.mark.parametrize("who", ["another tool", "no subject"])
async def test_other_callers_get_only_errors_about_a_tool(
    aiohttp_server: AiohttpServer, tmp_path: Path, who: str
) -> None:
    # Others are rejected where the tool succeeds, which these two checks report as an error.
    options = ["--exclude-checks=positive_data_acceptance,missing_required_header"]
    if who == "another tool":
        options.append(f"--header={HEADER}: CN=other,O=toolforge")
    answers = await run_schemathesis(aiohttp_server, tmp_path, *options)
    guarded = {status for path, status in answers if path not in PUBLIC_PATHS}
    refusals = {
        HTTPStatus.UNAUTHORIZED,
        HTTPStatus.FORBIDDEN,
        HTTPStatus.BAD_REQUEST,
        HTTPStatus.NOT_FOUND,
        HTTPStatus.METHOD_NOT_ALLOWED,
    }
    assert guarded
    assert guarded <= refusals


async def test_all_responses_of_the_second_face_are_documented(
    aiohttp_server: AiohttpServer, tmp_path: Path
) -> None:
    # `latest` is an id too, so that more methods are allowed there than that path has of its own.
    options = (
        f"--header={TOOL_HEADER}: mytool",
        "--include-path-regex=^/v1/",
        "--exclude-checks=allow_header_conformance",
    )
    answers = await run_schemathesis(
        aiohttp_server,
        tmp_path,
        *options,
        phases="examples,coverage,fuzzing",
        toolforge_api=True,
    )
    statuses = {status for path, status in answers if path.startswith("/v1/")}
    assert {HTTPStatus.OK, HTTPStatus.UNPROCESSABLE_ENTITY} <= statuses
    assert HTTPStatus.INTERNAL_SERVER_ERROR not in statuses
