"""The commands of a tool's deployments."""

from collections.abc import Callable
from typing import Any

import click

from components.cli.client import Client
from components.cli.command import with_client
from components.cli.output import Output, deployments_table, plan_table
from components.cli.watching import Watching, show_deployment, with_watching
from components.engine.queue import WhenBusy

_id = click.argument("deploy_id", metavar="[ID]", default="latest")
_description = click.option("--description", metavar="TEXT", help="Why it is made, for people.")
_when_busy = click.option(
    "--when-busy",
    type=click.Choice([each.value for each in WhenBusy]),
    help="What to do while others run: wait in the queue, cancel them, or be refused.",
)
_key = click.option(
    "--idempotency-key",
    metavar="KEY",
    help="Given again, the same KEY answers the deployment that it made first.",
)


def _asked(**options: Any) -> dict[str, Any]:
    """Return the body of a request that asks for what was given on the command line."""
    return {name.replace("_", "-"): value for name, value in options.items() if value}


def _headers(key: str | None) -> dict[str, str]:
    return {"Idempotency-Key": key} if key else {}


@click.command()
@click.argument("components", metavar="[COMPONENT]...", nargs=-1)
@_description
@click.option("--force-build", is_flag=True, help="Build also what is built already.")
@_when_busy
@click.option("--dry-run", is_flag=True, help="Show what would be built, and do nothing.")
@_key
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
) -> int:
    """Deploy the stored configuration: launch the builds of all components at once.

    With COMPONENTs, only those, and what they reuse.
    """
    body = _asked(
        components=list(components),
        description=description,
        force_build=force_build,
        when_busy=when_busy,
        dry_run=dry_run,
    )
    headers = _headers(idempotency_key)
    reply = await client.request("POST", "deploy", json=body or None, headers=headers)
    if not dry_run:
        return await show_deployment(client, output, reply, watching)
    output.reply(reply)
    if not output.data(reply.data):
        output.out.print(plan_table(reply.data["builds"]))
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
            output.out.print(deployments_table(reply.data["deployments"]))
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
@click.argument("deploy_id", metavar="ID")
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
        reply = await client.request(
            "POST",
            f"deploy/{deploy_id}/{what}",
            json=body or None,
            headers=_headers(idempotency_key),
        )
        return await show_deployment(client, output, reply, watching)


_again(
    "retry",
    "Deploy the latest deployment, or that of ID, again: build only what did not finish.",
    _id,
)
_again(
    "rollback",
    "Deploy what the finished deployment ID has built; nothing is built.",
    click.argument("deploy_id", metavar="ID"),
)
