"""Requests made up from the served document get no answer that the document does not have.

All of schemathesis's checks, in all of its phases, as a tool asking for what is its own. One
exception, in `schemathesis.toml`: POST config may answer 422 to what the schema cannot express.
"""

import asyncio
import sys
from asyncio.subprocess import PIPE, STDOUT
from pathlib import Path

from pytest_aiohttp.plugin import AiohttpServer

from backends.builders.simulated import SimulatedBuilder
from backends.stores.memory import MemoryStore
from components.http.app import create_app
from components.settings import Settings
from tests.conftest import unmeasured

CONFIGURED = Path(__file__).parents[1] / "data/schemathesis.toml"
PROGRAM = Path(sys.executable).with_name("schemathesis")


async def test_no_answer_is_outside_the_document(
    aiohttp_server: AiohttpServer, tmp_path: Path
) -> None:
    app = create_app(Settings(), MemoryStore(), SimulatedBuilder(0))
    url = (await aiohttp_server(app)).make_url("/openapi.json")
    options = ["--checks=all", "--max-examples=3", "--seed=1", "--workers=1", "--no-color"]
    process = await asyncio.create_subprocess_exec(
        PROGRAM,
        f"--config-file={CONFIGURED}",
        "run",
        *options,
        str(url),
        cwd=tmp_path,
        env=unmeasured(),
        stdout=PIPE,
        stderr=STDOUT,
    )
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()
    assert "11 passed" in output.decode()
