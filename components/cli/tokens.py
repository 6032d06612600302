"""The commands for a tool's tokens."""

from typing import Any

import click

from components.cli.client import Client
from components.cli.command import TOKEN_VARIABLE, path_segment, with_client
from components.cli.output import Output
from components.cli.tables import tokens_table
from components.engine.tokens.documents import DEFAULT_DAYS, MAX_DAYS, Scope

_name = click.argument("name", callback=path_segment)


@click.group("token")
def token() -> None:
    """Make, list and revoke tokens, with which others deploy the tool."""


@token.command("create")
@_name
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    type=click.Choice([each.value for each in Scope]),
    help="What it permits; may be repeated. Default: both.",
)
@click.option(
    "--component",
    "components",
    multiple=True,
    metavar="COMPONENT",
    help="Deploy only this component; may be repeated. Default: all.",
)
@click.option(
    "--days",
    type=click.IntRange(1, MAX_DAYS),
    default=DEFAULT_DAYS,
    show_default=True,
    help="After how many days it expires.",
)
@with_client
async def create(
    client: Client,
    output: Output,
    name: str,
    scopes: tuple[str, ...],
    components: tuple[str, ...],
    days: int,
) -> None:
    """Make a token, and print it: it is not shown again."""
    body: dict[str, Any] = {
        "name": name,
        "scopes": list(scopes) or [each.value for each in Scope],
        "days": days,
    }
    if components:
        body["components"] = list(components)
    reply = await client.request("POST", "tokens", json=body)
    output.reply(reply)
    if not output.data(reply.data):
        output.line(reply.data["token"])
        end = reply.data["end-time"][:10]
        output.messages(
            info=[f"it is not shown again, and expires on {end}: keep it as {TOKEN_VARIABLE}"]
        )


@token.command("list")
@with_client
async def list_tokens(client: Client, output: Output) -> None:
    """List the tokens, without their texts."""
    reply = await client.request("GET", "tokens")
    output.reply(reply)
    if output.data(reply.data):
        return
    if reply.data["tokens"]:
        output.table(tokens_table(reply.data["tokens"]))
    else:
        output.line(f"{client.connection.tool} has no tokens")


@token.command("revoke")
@_name
@with_client
async def revoke(client: Client, output: Output, name: str) -> None:
    """Revoke a token: it is refused from now on."""
    reply = await client.request("DELETE", f"tokens/{name}")
    output.reply(reply)
    if not output.data(reply.data):
        output.line(f"revoked {name}")
