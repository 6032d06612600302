"""`components token`, and the token in the environment."""

import json
import re

import pytest
import yaml
from aiohttp import web
from pytest_aiohttp.plugin import AiohttpServer
from yarl import URL

from components.cli.client import Connection, connect
from components.engine.tokens.text import new_text
from tests.cli.conftest import Run
from tests.factories import configuration


async def made(run: Run, *arguments: str) -> str:
    """Make a token, and return it."""
    result = await run("token", "create", *arguments)
    assert result.exit_code == 0, result.stderr
    return result.stdout.removesuffix("\n")


async def test_only_the_token_is_printed_on_standard_output(run: Run) -> None:
    result = await run("token", "create", "ci")
    assert re.fullmatch(r"ctk_[0-9A-Za-z]{49}\n", result.stdout)
    assert result.stderr == (
        "it is not shown again, and expires on 2024-07-03: keep it as COMPONENTS_TOKEN\n"
    )


async def test_a_token_is_made_with_scopes_components_and_days(run: Run) -> None:
    options = ("--scope", "deploy", "--component", "web", "--component", "api", "--days", "7")
    result = await run("token", "create", "ci", *options, "--json")
    data = json.loads(result.stdout)
    assert (data["scopes"], data["components"]) == (["deploy"], ["api", "web"])
    assert data["end-time"].startswith("2024-04-11")


async def test_tokens_are_listed_without_their_texts(run: Run) -> None:
    token = await made(run, "ci")
    await made(run, "reader", "--scope", "read", "--component", "web")
    await run("deployment", "list", COMPONENTS_TOKEN=token)
    result = await run("token", "list")
    assert [line.split() for line in result.stdout.splitlines()] == [
        ["TOKEN", "SCOPES", "ENDS", "(UTC)", "LAST", "USED", "COMPONENTS"],
        ["ci", "deploy,", "read", "2024-07-03", "12:00", "2024-04-04", "all"],
        ["reader", "read", "2024-07-03", "12:00", "never", "web"],
    ]
    assert token not in (await run("token", "list", "--json")).stdout


async def test_without_tokens_one_line_says_so(run: Run) -> None:
    assert (await run("token", "list")).stdout == "mytool has no tokens\n"


async def test_a_revoked_token_is_refused(run: Run) -> None:
    token = await made(run, "ci")
    assert (await run("token", "revoke", "ci")).stdout == "revoked ci\n"
    result = await run("deployment", "list", COMPONENTS_TOKEN=token)
    assert result.exit_code == 2
    assert result.stderr == (
        "error: tool 'mytool' has no such token: it was revoked, or never made\n"
    )


async def test_a_token_in_the_environment_is_the_credential(run: Run) -> None:
    token = await made(run, "reader", "--scope", "read")
    text = yaml.safe_dump(configuration())
    assert (await run("config", "set", "-", stdin=text)).exit_code == 0
    assert (await run("config", "show", COMPONENTS_TOKEN=token)).exit_code == 0
    result = await run("deploy", COMPONENTS_TOKEN=token)
    assert result.exit_code == 2
    assert result.stderr == "error: a token with the scope read may not create deployments\n"


async def test_a_deploy_token_deploys_and_waits(run: Run) -> None:
    token = await made(run, "ci")
    text = yaml.safe_dump(configuration())
    assert (await run("config", "set", "-", stdin=text)).exit_code == 0
    assert (await run("deploy", COMPONENTS_TOKEN=token)).exit_code == 0
    assert (await run("deployment", "show", COMPONENTS_TOKEN=token)).exit_code == 0


@pytest.mark.parametrize(
    "token",
    ["hunter2", f"ctk_{'0' * 49}", f"ctk_{'0' * 48}", "a b", "é", "x\r\nHost: y"],
    ids=ascii,
)
async def test_anything_but_a_whole_token_is_not_sent_and_not_shown(
    run: Run, aiohttp_server: AiohttpServer, token: str
) -> None:
    received: list[str] = []

    async def handler(request: web.Request) -> web.Response:
        received.append(request.path)
        return web.Response()

    app = web.Application()
    app.router.add_get("/{path:.*}", handler)
    url = str((await aiohttp_server(app)).make_url("/"))
    result = await run("deployment", "list", COMPONENTS_URL=url, COMPONENTS_TOKEN=token)
    assert result.exit_code == 2
    assert "COMPONENTS_TOKEN is not a whole token" in result.stderr
    assert token not in result.stderr
    assert received == []


async def test_white_space_around_a_token_is_ignored(run: Run) -> None:
    token = await made(run, "ci")
    assert (await run("deployment", "list", COMPONENTS_TOKEN=f" {token}\n")).exit_code == 0


async def test_an_empty_token_is_none(run: Run) -> None:
    assert (await run("deployment", "list", COMPONENTS_TOKEN="")).exit_code == 0


@pytest.mark.parametrize("url", ["http://127.0.0.1:8000", "https://service.example.org"])
async def test_a_token_is_sent_in_place_of_a_subject(url: str) -> None:
    token = new_text()
    connection = Connection(URL(url), "mytool", "x-subject", "toolforge", token=token)
    assert token not in repr(connection)
    async with connect(connection) as client:
        assert dict(client.session.headers) == {"Authorization": f"Bearer {token}"}
