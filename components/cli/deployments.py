"""The commands of a tool's deployments."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import click

from components.cli.client import Client, Reply
from components.cli.command import name, visible, with_client
from components.cli.configuration import show_stored, store
from components.cli.files import ConfigurationFile, GivenFile
from components.cli.output import Output
from components.cli.tables import deployments_table, plan_table
from components.cli.watching import Watching, show_deployment, with_watching
from components.engine.queue.state import WhenBusy

DESCRIPTION_LENGTH = 500
"""How many characters of a description the service takes."""


def _clipped(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    """Return the first line of a description, as much as there is room for, and say if it is cut.

    It is often a commit's message, and must not be what a deployment fails for.
    """
    if value is None:
        return None
    first = next(iter(value.strip().splitlines()), "").rstrip()
    if len(first) > DESCRIPTION_LENGTH:
        first = first[: DESCRIPTION_LENGTH - 1] + "…"
        told = f"the description has more than {DESCRIPTION_LENGTH} characters: it is clipped"
        Output().messages(warnings=[told])
    elif first != value.strip():
        Output().messages(warnings=["the description has several lines: the first one is taken"])
    return first


_id = click.argument("deploy_id", metavar="[ID]", default="latest", callback=name)
_other_id = click.argument("deploy_id", metavar="ID", callback=name)
_description = click.option(
    "--description",
    metavar="TEXT",
    callback=_clipped,
    help="Why it is made, for people: one line.",
)
_when_busy = click.option(
    "--when-busy",
    type=click.Choice([each.value for each in WhenBusy]),
    help="What to do while others run: wait in the queue, cancel them, or be refused.",
)
_key = click.option(
    "--idempotency-key",
    metavar="KEY",
    callback=visible,
    help="Given again, the same KEY answers the deployment that it made first.",
)


def _asked(**options: Any) -> dict[str, Any]:
    """Return the body of a request that asks for what was given on the command line."""
    return {option.replace("_", "-"): value for option, value in options.items() if value}


async def _made(
    client: Client, output: Output, path: str, body: Mapping[str, Any], key: str | None
) -> Reply:
    """Return the reply to a request for a new deployment."""
    headers = {"Idempotency-Key": key} if key else {}
    try:
        return await client.request("POST", path, json=body or None, headers=headers)
    except asyncio.CancelledError:
        output.interrupted("whether there is a new deployment: components deployment list")
        raise


@click.command()
@click.argument("components", metavar="[COMPONENT]...", nargs=-1)
@_description
@click.option("--force-build", is_flag=True, help="Build also what is built already.")
@_when_busy
@click.option("--dry-run", is_flag=True, help="Show what would be built, and do nothing.")
@_key
@click.option(
    "--config",
    "file",
    metavar="FILE",
    type=ConfigurationFile(),
    help="Store the configuration in FILE first, once all else that is given has been checked.",
)
@with_client
@with_watching
async def deploy(
    client: Client,
    output: Output,
    watching: Watching,
    components: tuple[str, ...],
    description: str | None,
    force_build: bool,
    when_busy: str | None,
    dry_run: bool,
    idempotency_key: str | None,
    file: GivenFile | None,
) -> int:
    """Deploy the stored configuration: launch the builds of all components at once.

    With COMPONENTs, only those, and what they reuse.
    """
    if dry_run and file:
        raise click.UsageError("--dry-run stores nothing: it cannot take --config")
    if file:
        stored = await store(client, file)
        output.reply(stored)
        if not output.as_json and watching.shows_builds:
            show_stored(client, output, stored)
    body = _asked(
        components=list(components),
        description=description,
        force_build=force_build,
        when_busy=when_busy,
        dry_run=dry_run,
    )
    reply = await _made(client, output, "deploy", body, idempotency_key)
    if not dry_run:
        return await show_deployment(client, output, reply, watching)
    output.reply(reply)
    if not output.data(reply.data):
        output.table(plan_table(reply.data["builds"]))
    return 0


@click.group()
def deployment() -> None:
    """List, show, cancel, delete, retry and roll back to the tool's deployments."""


@deployment.command("list")
@with_client
async def list_(client: Client, output: Output) -> None:
    """List the deployments, newest first."""
    reply = await client.request("GET", "deploy")
    output.reply(reply)
    if not output.data(reply.data):
        if reply.data["deployments"]:
            output.table(deployments_table(reply.data["deployments"]))
        else:
            output.line(f"{client.connection.tool} has no deployments")


@deployment.command("show")
@_id
@with_client
@with_watching
async def show(client: Client, output: Output, watching: Watching, deploy_id: str) -> int:
    """Show a deployment, the latest one if no ID is given."""
    reply = await client.request("GET", f"deploy/{deploy_id}")
    code = await show_deployment(client, output, reply, watching)
    return code if watching.to_the_end else 0


@deployment.command("cancel")
@_id
@with_client
@with_watching
async def cancel(client: Client, output: Output, watching: Watching, deploy_id: str) -> int:
    """Cancel a deployment, the latest one if no ID is given."""
    reply = await client.request("PUT", f"deploy/{deploy_id}/cancel")
    await show_deployment(client, output, reply, watching)
    return 0


@deployment.command("delete")
@_other_id
@with_client
async def delete(client: Client, output: Output, deploy_id: str) -> None:
    """Remove a deployment that has ended."""
    reply = await client.request("DELETE", f"deploy/{deploy_id}")
    output.reply(reply)
    if not output.data(reply.data):
        output.line(f"deleted deployment {reply.data['deploy-id']}")


def _again(what: str, help_: str, argument: Callable[[Any], Any]) -> None:
    @deployment.command(what, help=help_)
    @argument
    @_description
    @_when_busy
    @_key
    @with_client
    @with_watching
    async def again(
        client: Client,
        output: Output,
        watching: Watching,
        deploy_id: str,
        description: str | None,
        when_busy: str | None,
        idempotency_key: str | None,
    ) -> int:
        body = _asked(description=description, when_busy=when_busy)
        reply = await _made(client, output, f"deploy/{deploy_id}/{what}", body, idempotency_key)
        return await show_deployment(client, output, reply, watching)


_again(
    "retry",
    "Deploy the latest deployment, or that of ID, again: build only what did not finish.",
    _id,
)
_again(
    "rollback",
    "Deploy what the finished deployment ID has built; nothing is built.",
    _other_id,
)
