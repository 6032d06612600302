"""Untrusted text in the log is escaped, and stays in the line of its event."""

import asyncio
import json
import logging
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import aiohttp
import pytest

from components.logs import MESSAGE_LENGTH, setup_logging, visible, visible_lines
from tests.factories import configuration
from tests.http.conftest import HEADER
from tests.service.test_process import service

HOSTILE = (
    "\n2026-01-01 00:00:00,000 ERROR components.forged FORGED\r\x1b[2J\x1b]0;title\x07\x9b31m"
    "\x85FORGED\u2028FORGED\u2029FORGED\u202e\u2066\x0b\x0c\x00\x7f"
)
EVENT = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} [A-Z]+ (?!components.forged)\S+ ")

PACKAGE = f"""
import logging

from backends.builders import base
from backends.builders.simulated import SimulatedBuilder
from backends.stores.base import Unavailable
from backends.stores.memory import MemoryStore

HOSTILE = {HOSTILE!r}


class Store(MemoryStore):
    async def list(self, tool, *kinds):
        if tool == "outage":
            raise Unavailable(HOSTILE)
        if tool == "defect":
            raise RuntimeError(HOSTILE)
        return await super().list(tool, *kinds)


class Builder(SimulatedBuilder):
    async def start(self, request):
        if request.component == "rejected":
            raise base.BuildRejected(HOSTILE)
        if request.component == "defect":
            raise RuntimeError(HOSTILE)
        return await super().start(request)

    async def resolve(self, tool, source):
        # Like a library that logs the responses of a server.
        logging.getLogger("repository").debug("answer: %s", HOSTILE)
        logging.getLogger("repository").debug(HOSTILE, HOSTILE)
        return None

    async def log(self, tool, build_id, *, follow=False):
        yield HOSTILE
        raise base.BuilderUnavailable(HOSTILE)

    async def ping(self):
        raise RuntimeError(HOSTILE)
"""


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """Return a directory with an installed store and builder that return hostile text."""
    (tmp_path / "hostile_backends.py").write_text(PACKAGE)
    metadata = tmp_path / "hostile-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: hostile\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(
        "[components.stores]\nhostile = hostile_backends:Store.from_env\n"
        "[components.builders]\nhostile = hostile_backends:Builder.from_env\n"
    )
    return tmp_path


async def attack(url: str) -> None:
    """Send hostile text in every part of a request."""
    text = quote(HOSTILE)
    async with aiohttp.ClientSession() as session:

        async def ask(method: str, tool: str, path: str, **kwargs: object) -> None:
            headers = {HEADER: f"CN={tool},O=toolforge"}
            address = f"{url}/api/v1/tool/{tool}/{path}"
            try:
                async with session.request(method, address, headers=headers, **kwargs) as response:  # type: ignore[arg-type]
                    await response.read()
            except aiohttp.ClientPayloadError:
                pass  # a log that ends with an error

        for tool in ("outage", "defect"):
            await ask("POST", tool, f"deploy/{text}/retry")
        await ask("POST", "mytool", "config", json=configuration("web", "rejected", "defect"))
        await ask("POST", "mytool", "deploy", json={"description": HOSTILE})
        await ask("GET", "mytool", "deploy/latest/builds/web/log")
        await ask("GET", "mytool", f"deploy/{text}?wait={text}")
        await ask("GET", "mytool", f"{text}?{text}={text}")
        async with session.get(f"{url}/readyz") as response:
            await response.read()
    raw = HOSTILE.encode()
    for request in (
        b"GET /" + raw + b" HTTP/1.1\r\n\r\n",
        b"GET /\x1b[2J\xff\x9b HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: " + raw + b"\r\n\r\n",
        raw + b"\r\n\r\n",
    ):
        reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
        writer.write(request)
        writer.write_eof()
        await reader.read()
        writer.close()


async def log_of_an_attack(package: Path, log_format: str) -> str:
    """Return the log of a service at `DEBUG` while it is attacked."""
    env = {
        "PYTHONPATH": os.pathsep.join([str(package), os.environ.get("PYTHONPATH", "")]),
        "COMPONENTS_STORE": "hostile",
        "COMPONENTS_BUILDER": "hostile",
        "COMPONENTS_LOG_FORMAT": log_format,
        "COMPONENTS_LOG_LEVEL": "DEBUG",
        "PYTHONWARNINGS": "default",
    }
    async with service(**env) as (process, url):
        assert process.stderr is not None
        reading = asyncio.create_task(process.stderr.read())
        await attack(url)
        process.terminate()
        return (await reading).decode()


async def test_untrusted_text_stays_in_the_line_of_its_event(package: Path) -> None:
    log = await log_of_an_attack(package, "text")
    assert "FORGED" in log
    assert "retry: " in log  # the path of the failed request
    assert "internal error" in log
    assert "how it is failed" in log
    lines = log.removesuffix("\n").split("\n")
    assert [line for line in lines if not line.isprintable()] == []
    events = [line for line in lines if not line.startswith("    ")]
    assert [line for line in events if not EVENT.match(line)] == []


async def test_a_decoded_json_log_has_only_printable_text(package: Path) -> None:
    log = await log_of_an_attack(package, "json")
    assert "FORGED" in log
    for line in log.splitlines():
        event = json.loads(line)
        assert event["name"] != "components.forged"
        for key, value in event.items():
            each = str(value).split("\n") if key == "exc_info" else [str(value)]
            assert all(text.isprintable() for text in each)


def test_invisible_characters_are_escaped() -> None:
    assert visible("a\n\x1b[2J\x9b\u202e\u2028\udc80é 😀") == (
        "a\\n\\x1b[2J\\x9b\\u202e\\u2028\\udc80é 😀"
    )


def test_a_long_message_is_clipped_with_a_note() -> None:
    text = visible("x" * 1_000_000)
    assert len(text) < MESSAGE_LENGTH + 100
    assert text.endswith("… and 991808 more characters")


def test_a_long_traceback_keeps_its_end() -> None:
    text = visible_lines("first\n" + "x\n" * 1_000_000 + "last")
    assert len(text) < 200_000
    assert text.endswith("\n    last")
    assert text.startswith("    1967242 characters before\n")


@pytest.mark.parametrize("text", ["\x1b" * 20_000_000, "\n" * 20_000_000, "\u202e\n" * 10_000_000])
def test_twenty_million_characters_are_formatted_within_a_second(text: str) -> None:
    began = time.process_time()
    visible(text)
    visible_lines(text)
    assert time.process_time() - began < 1


@pytest.fixture
def logging_is_restored() -> Iterator[None]:
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    yield
    root.handlers[:] = before
    root.setLevel(level)
    logging.captureWarnings(capture=False)


@pytest.mark.usefixtures("logging_is_restored")
@pytest.mark.parametrize("log_format", ["text", "json"])
def test_a_message_with_invalid_arguments_is_logged_in_one_line(
    capsys: pytest.CaptureFixture[str], log_format: str
) -> None:
    setup_logging("INFO", log_format)
    logging.getLogger("x").info("%d of it", HOSTILE)
    written = capsys.readouterr().err
    assert written.count("\n") == 1
    assert "%d of it" in written


@pytest.mark.usefixtures("logging_is_restored")
def test_a_warning_of_a_library_is_logged_as_an_event(capsys: pytest.CaptureFixture[str]) -> None:
    setup_logging("INFO", "text")
    logging.getLogger("py.warnings").warning("%s", HOSTILE, stack_info=True)
    lines = capsys.readouterr().err.splitlines()
    assert EVENT.match(lines[0])
    assert all(line.startswith("    ") for line in lines[1:])
