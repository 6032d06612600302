"""The commands for a tool's deployments."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import click

from components.cli.client import Client, Reply
from components.cli.command import header_value, path_segment, with_client
from components.cli.configuration import show_stored, store
from components.cli.files import ConfigurationFile, GivenFile
from components.cli.output import Output
from components.cli.tables import deployments_table, plan_table
from components.cli.watching import Watching, show_deployment, with_watching
from components.engine.deployments.model import OnFailure
from components.engine.queue.state import WhenBusy

DESCRIPTION_LENGTH = 500
"""The maximum length of a description that the service accepts, in characters."""


def _first_line(
    context: click.Context, parameter: click.Parameter, value: str | None
) -> str | None:
    """Return the first line of a description, truncated to its limit, with a warning if cut.

    It is often a commit message, and its length must not make a deployment fail.
    """
    if value is None:
        return None
    first = next(iter(value.strip().splitlines()), "").rstrip()
    if len(first) > DESCRIPTION_LENGTH:
        first = first[: DESCRIPTION_LENGTH - 1] + "…"
        warning = f"the description is truncated to {DESCRIPTION_LENGTH} characters"
        Output().messages(warnings=[warning])
    elif first != value.strip():
        Output().messages(warnings=["only the first line of the description is used"])
    return first


_id = click.argument("deploy_id", metavar="[ID]", default="latest", callback=path_segment)
_required_id = click.argument("deploy_id", metavar="ID", callback=path_segment)
_description = click.option(
    "--description",
    metavar="TEXT",
    callback=_first_line,
    help="The reason for the deployment, in one line.",
)
_when_busy = click.option(
    "--when-busy",
    type=click.Choice([each.value for each in WhenBusy]),
    help="If others are running: wait in the queue, cancel them, or fail.",
)
_force_run = click.option(
    "--force-run", is_flag=True, help="Start every component again, even if it runs unchanged."
)
_on_failure = click.option(
    "--on-failure",
    type=click.Choice([each.value for each in OnFailure]),
    help="If a run fails: put back what ran before, or keep things as they are.",
)
_key = click.option(
    "--idempotency-key",
    metavar="KEY",
    callback=header_value,
    help="If KEY was used before, return the deployment that it created.",
)


def _request_body(**options: Any) -> dict[str, Any]:
    """Return the body of a request with the options that were given on the command line."""
    return {option.replace("_", "-"): value for option, value in options.items() if value}


async def _create(
    client: Client, output: Output, path: str, body: Mapping[str, Any], key: str | None
) -> Reply:
    """Create a deployment; return the reply."""
    headers = {"Idempotency-Key": key} if key else {}
    try:
        return await client.request("POST", path, json=body or None, headers=headers)
    except asyncio.CancelledError:
        output.interrupted(
            "a deployment may have been created; to check: components deployment list"
        )
        raise


@click.command()
@click.argument("components", metavar="[COMPONENT]...", nargs=-1)
@_description
@click.option("--force-build", is_flag=True, help="Build every component, even if unchanged.")
@_force_run
@_on_failure
@_when_busy
@click.option(
    "--dry-run", is_flag=True, help="Show what would be built and run, without deploying."
)
@_key
@click.option(
    "--config",
    "file",
    metavar="FILE",
    type=ConfigurationFile(),
    help="Validate the other options, store the configuration in FILE, then deploy it.",
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
    force_run: bool,
    on_failure: str | None,
    when_busy: str | None,
    dry_run: bool,
    idempotency_key: str | None,
    file: GivenFile | None,
) -> int:
    """Deploy the stored configuration: start the builds of all components in parallel.

    With COMPONENTs, deploy only those and the components that they reuse.
    """
    if dry_run and file:
        raise click.UsageError("--dry-run cannot be used with --config, which stores FILE")
    if file:
        stored = await store(client, file)
        output.reply(stored)
        if not output.as_json and watching.shows_builds:
            show_stored(client, output, stored)
    body = _request_body(
        components=list(components),
        description=description,
        force_build=force_build,
        force_run=force_run,
        on_failure=on_failure,
        when_busy=when_busy,
        dry_run=dry_run,
    )
    reply = await _create(client, output, "deploy", body, idempotency_key)
    if not dry_run:
        return await show_deployment(client, output, reply, watching)
    output.reply(reply)
    if not output.data(reply.data):
        output.table(plan_table(reply.data))
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
    """Show a deployment: ID, or the latest one."""
    reply = await client.request("GET", f"deploy/{deploy_id}")
    code = await show_deployment(client, output, reply, watching)
    return code if watching.until_final else 0


@deployment.command("cancel")
@_id
@with_client
@with_watching
async def cancel(client: Client, output: Output, watching: Watching, deploy_id: str) -> int:
    """Cancel a deployment: ID, or the latest one."""
    reply = await client.request("PUT", f"deploy/{deploy_id}/cancel")
    await show_deployment(client, output, reply, watching)
    return 0


@deployment.command("delete")
@_required_id
@with_client
async def delete(client: Client, output: Output, deploy_id: str) -> None:
    """Delete a deployment that has ended."""
    reply = await client.request("DELETE", f"deploy/{deploy_id}")
    output.reply(reply)
    if not output.data(reply.data):
        output.line(f"deleted deployment {reply.data['deploy-id']}")


def _add_command(action: str, help_: str, argument: Callable[[Any], Any]) -> None:
    @deployment.command(action, help=help_)
    @argument
    @_description
    @_force_run
    @_on_failure
    @_when_busy
    @_key
    @with_client
    @with_watching
    async def command(
        client: Client,
        output: Output,
        watching: Watching,
        deploy_id: str,
        description: str | None,
        force_run: bool,
        on_failure: str | None,
        when_busy: str | None,
        idempotency_key: str | None,
    ) -> int:
        body = _request_body(
            description=description,
            force_run=force_run,
            on_failure=on_failure,
            when_busy=when_busy,
        )
        reply = await _create(client, output, f"deploy/{deploy_id}/{action}", body, idempotency_key)
        return await show_deployment(client, output, reply, watching)


_add_command(
    "retry",
    "Deploy ID, or the latest deployment, again: build only what did not finish.",
    _id,
)
_add_command(
    "rollback",
    "Deploy the images of the finished deployment ID again, without building.",
    _required_id,
)
