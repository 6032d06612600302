"""The commands for what runs now: see it, restart, start and stop it."""

import asyncio
from http import HTTPStatus

import click

from components.cli.client import Client, Reply, ServiceError
from components.cli.command import path_segment, with_client
from components.cli.output import Output
from components.cli.tables import running_table

_component = click.argument("component", callback=path_segment)


def _optional(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    return None if value is None else path_segment(context, parameter, value)


@click.command()
@with_client
async def status(client: Client, output: Output) -> None:
    """Show what runs, and how the latest deployment does."""
    running, latest = await asyncio.gather(client.request("GET", "run"), _latest(client))
    output.reply(running)
    deployment = latest.data if latest else None
    if output.data({"components": running.data["components"], "deployment": deployment}):
        return
    if running.data["components"]:
        output.table(running_table(running.data["components"]))
    else:
        output.line(f"nothing of {client.connection.tool} runs")
    if deployment:
        words = (deployment["status"], deployment["message"])
        output.line(
            f"latest deployment {deployment['deploy-id']}: {': '.join(filter(None, words))}"
        )


async def _latest(client: Client) -> Reply | None:
    try:
        return await client.request("GET", "deploy/latest")
    except ServiceError as error:
        if error.status == HTTPStatus.NOT_FOUND:
            return None
        raise


@click.command()
@_component
@with_client
async def restart(client: Client, output: Output, component: str) -> None:
    """Restart a continuous component, one instance after another."""
    _show(output, await client.request("POST", f"run/{component}/restart"), f"restarts {component}")


@click.command()
@_component
@with_client
async def start(client: Client, output: Output, component: str) -> None:
    """Run a scheduled component once, now."""
    _show(output, await client.request("POST", f"run/{component}/start"), f"started {component}")


@click.command()
@click.argument("component", required=False, callback=_optional)
@click.option("--all", "everything", is_flag=True, help="Stop all components.")
@with_client
async def stop(client: Client, output: Output, component: str | None, everything: bool) -> None:
    """Stop a component, and remove what was created for it. The next deployment starts it again."""
    if (component is None) is not everything:
        raise click.UsageError("name a component, or use --all")
    path = f"run/{component}" if component else "run"
    reply = await client.request("DELETE", path)
    names = ", ".join(reply.data["components"]) or "nothing"
    _show(output, reply, f"stopped {names}")


def _show(output: Output, reply: Reply, text: str) -> None:
    output.reply(reply)
    if not output.data(reply.data):
        output.line(text)
