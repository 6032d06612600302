"""Text is not control: whatever comes from outside reaches a terminal as text."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiohttp import web
from pytest_aiohttp.plugin import AiohttpServer

from tests.cli import fake_service
from tests.cli.conftest import Run
from tests.cli.pseudo_terminal import terminal
from tests.factories import component

POISON = (
    "\x1b[31mred\x1b[0m\x1b[2J\x1b]0;title\x07\x1b]8;;https://a.example\x1b\\\x1bP1$q\x1b\\\x1bc"
    "\x9b2J\x9d0;title\x9c\x90q\x9c\x85\x08\x0b\x0c\r\x7f\x00\x01"
    "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c"
    "\u2028\u2029\u200b\u200c\u200d\u2060\ufeff\xad\xa0\U000e0041\udfff\ud800\x1b]unterminated\x1b["
)
"""Characters that could mislead a terminal or a reader, without line ends."""

ARGUMENT = POISON.replace("\0", "").replace("\udfff\ud800", "\udc9b")
"""The same for an argument of a program; its lone surrogate is a byte that is not UTF-8."""

IN_HEADERS = "\x9b2J\u202e"
"""The characters of these that HTTP allows in a header."""


def poisoned_build(status: str) -> dict[str, Any]:
    texts = ("build-id", "message", "image", "digest", "commit")
    return fake_service.build(status, **dict.fromkeys(texts, POISON))


def poisoned_deployment(status: str = f"ERROR{POISON}") -> dict[str, Any]:
    builds = {f"{POISON}a": poisoned_build("ERROR"), f"{POISON}b": poisoned_build(POISON)}
    texts = dict.fromkeys(("deploy-id", "message", "description"), POISON)
    return fake_service.deployment(status) | texts | {"builds": builds}


def poisoned_configuration() -> dict[str, Any]:
    odd = component(command=POISON) | {POISON: [POISON, {POISON: POISON}]}
    return {"components": {POISON: odd, "web": component(command=POISON)}, POISON: POISON}


def data_of(request: web.Request) -> Any:
    """Return the data of a response, with poison in each field."""
    match request.path.split("/")[5:]:
        case ["config", "history"]:
            current = {"etag": POISON, "stored-time": POISON, "current": True}
            older = {**current, "current": False, "config": {"components": {}}}
            return {"configurations": [{**current, "config": poisoned_configuration()}, older]}
        case ["config"]:
            return poisoned_configuration()
        case ["deploy"] if request.method == "GET":
            odd = poisoned_deployment() | {"creation-time": POISON}
            return {"deployments": [poisoned_deployment(), odd]}
        case ["tokens"]:
            texts = dict.fromkeys(("name", "token", "end-time", "last-use-time"), POISON)
            odd = {**texts, "scopes": [POISON], "components": [POISON]}
            return odd | {"tokens": [odd, odd | {"components": None, "last-use-time": None}]}
        case _ if request.headers.get("If-None-Match"):
            return poisoned_deployment("ERROR")
    return poisoned_deployment("RUNNING")


async def handler(request: web.Request) -> web.StreamResponse:
    """Respond with poison in every field and header."""
    body = await request.read()
    if request.path.endswith("/log"):
        lines = f"{POISON}\n{POISON}".encode(errors="surrogatepass")
        return web.Response(body=lines, content_type="text/plain")
    data = data_of(request)
    if b"dry-run" in body:
        texts = dict.fromkeys(("action", "commit", "reason", "ref", "repository"), POISON)
        data = {"builds": {POISON: texts}}
    messages = [f"{POISON}\n{POISON}"]
    response = fake_service.answer(data, info=messages, warning=messages, error=messages)
    response.headers["ETag"] = f'"{IN_HEADERS}"'
    response.headers["Retry-After"] = IN_HEADERS
    return response


async def error_handler(request: web.Request) -> web.StreamResponse:
    """Respond with an error full of poison."""
    response = fake_service.answer(
        None, 404, warning=[POISON], error=[POISON, f"{POISON}\n{POISON}"]
    )
    response.headers["Retry-After"] = IN_HEADERS
    return response


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "components.yaml"
    path.write_text(json.dumps({"components": {"web": component()}, f"x{POISON}": POISON}))
    return str(path)


COMMANDS = [
    ("config", "show"),
    ("config", "set", "FILE"),
    ("config", "delete"),
    ("config", "history"),
    ("config", "diff"),
    ("config", "diff", "FILE"),
    ("config", "validate", "FILE"),
    ("deploy",),
    ("deploy", "--dry-run"),
    ("deploy", "--follow"),
    ("deploy", "--wait"),
    ("deploy", "--config", "FILE", "--description", f"{ARGUMENT}\n{ARGUMENT}"),
    ("deployment", "list"),
    ("deployment", "show"),
    ("deployment", "show", "--follow"),
    ("deployment", "cancel"),
    ("deployment", "delete", "latest"),
    ("deployment", "retry", "--wait"),
    ("deployment", "rollback", "latest"),
    ("logs", "web"),
    ("token", "create", "ci"),
    ("token", "list"),
    ("token", "revoke", "ci"),
]

INVALID_COMMANDS = [
    ("config", "set", ARGUMENT),
    ("config", "set", "FILE", "--if-match", ARGUMENT),
    ("config", ARGUMENT),
    (ARGUMENT,),
    ("deploy", f"--{ARGUMENT}"),
    ("deploy", "--timeout", ARGUMENT),
    ("deploy", "--idempotency-key", ARGUMENT),
    ("deploy", "--when-busy", ARGUMENT),
    ("deployment", "show", ARGUMENT),
    ("deployment", "show", "--tool", ARGUMENT),
    ("deployment", "show", "--url", ARGUMENT),
    ("deployment", "show", "--client-cert", ARGUMENT),
    ("logs", ARGUMENT),
    ("logs", "web", "--deployment", ARGUMENT),
    ("token", "create", ARGUMENT),
    ("token", "create", "ci", "--scope", ARGUMENT),
]


def invisible(text: str) -> set[str]:
    return {each for each in text if not each.isprintable() and each != "\n"}


def with_file(command: tuple[str, ...], file: str) -> tuple[str, ...]:
    return tuple(file if each == "FILE" else each for each in command)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("more", [(), ("--json",)], ids=["", "json"])
@pytest.mark.parametrize("answers", [handler, error_handler])
async def test_responses_are_printed_without_control_characters(
    run: Run,
    aiohttp_server: AiohttpServer,
    file: str,
    command: tuple[str, ...],
    more: tuple[str, ...],
    answers: fake_service.Handler,
) -> None:
    url = await fake_service.serve(aiohttp_server, answers)
    result = await run(*with_file(command, file), *more, COMPONENTS_URL=url)
    assert not invisible(result.output)
    assert isinstance(result.exception, SystemExit | None), result.exception
    assert result.output


@pytest.mark.parametrize("command", INVALID_COMMANDS, ids=ascii)
async def test_invalid_arguments_are_printed_without_control_characters(
    run: Run, file: str, command: tuple[str, ...]
) -> None:
    result = await run(*with_file(command, file))
    assert result.exit_code == 2
    assert isinstance(result.exception, SystemExit), result.exception
    assert not invisible(result.output)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
async def test_a_terminal_receives_only_text_and_our_own_control_sequences(
    aiohttp_server: AiohttpServer, file: str, command: tuple[str, ...]
) -> None:
    url = await fake_service.serve(aiohttp_server, handler)
    # The screen supports only the control sequences that we write.
    async with terminal(*with_file(command, file), url=url) as session:
        await session.end()
    assert "Traceback" not in session.screen.text


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 \x1b[2J\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX\x1b[2J: \x1b[2J\xc2\x9b\r\n\r\n",
        b"\x1b[2J\xc2\x9b2J\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: http://\xe2\x80\xae.example/\x9b\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Type: \x1b[2J\r\nContent-Length: 2\r\n\r\n{}",
        b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{"a": \x1b[2J',
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n" + b"[" * 100_000,
    ],
)
async def test_responses_that_are_not_http_are_printed_without_control_characters(
    run: Run, answer: bytes
) -> None:
    async def respond(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(respond, "127.0.0.1", 0) as server:
        host, port = server.sockets[0].getsockname()
        result = await run("config", "show", COMPONENTS_URL=f"http://{host}:{port}")
    assert result.exit_code == 2
    assert isinstance(result.exception, SystemExit), result.exception
    assert result.stderr.startswith("error: ")
    assert not invisible(result.output)


async def test_json_output_is_the_same_value(run: Run, aiohttp_server: AiohttpServer) -> None:
    url = await fake_service.serve(aiohttp_server, handler)
    result = await run("config", "show", "--json", COMPONENTS_URL=url)
    assert json.loads(result.stdout) == poisoned_configuration()


async def test_a_configuration_that_was_shown_can_be_set_again(run: Run) -> None:
    text = POISON.replace("\udfff\ud800", "")
    odd = component() | {text: [text, {"a": f"{text}\n{text}"}]}
    given = {"components": {"web": odd}, text: text, "spaces": "  \t\xa0\u3000é\U0001f600 "}
    text = yaml.safe_dump(given, sort_keys=False)
    assert (await run("config", "set", "-", stdin=text)).exit_code == 0
    shown = await run("config", "show")
    assert not invisible(shown.stdout)
    assert yaml.safe_load(shown.stdout) == given
    assert (await run("config", "set", "-", stdin=shown.stdout)).exit_code == 0
    assert json.loads((await run("config", "show", "--json")).stdout) == given


async def test_a_difference_is_shown_with_its_path(
    run: Run, tmp_path: Path, aiohttp_server: AiohttpServer
) -> None:
    url = await fake_service.serve(aiohttp_server, handler)
    result = await run("config", "diff", COMPONENTS_URL=url)
    assert '["\\u001b[31mred' in result.stdout
    assert "components.web: added" in result.stdout


async def test_a_line_of_a_message_is_not_mistaken_for_another_message(
    run: Run, aiohttp_server: AiohttpServer
) -> None:
    warnings = ["first\nerror: forged"]
    response = fake_service.answer({"deployments": []}, warning=warnings)
    url = await fake_service.serve(aiohttp_server, fake_service.in_turn(response))
    result = await run("deployment", "list", COMPONENTS_URL=url)
    assert result.stderr == "warning: first\n  error: forged\n"
