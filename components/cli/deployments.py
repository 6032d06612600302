"""The commands of a tool's deployments."""

import click

from components.cli.client import Client, Reply
from components.cli.command import EXIT_OTHERWISE, with_client
from components.cli.follow import follow, is_final
from components.cli.logs import show_failures
from components.cli.output import Output, builds_table, deployments_table

_follow = click.option(
    "--follow", "following", is_flag=True, help="Show the builds until the last one has ended."
)


@click.command()
@_follow
@with_client
async def deploy(client: Client, output: Output, following: bool) -> int:
    """Deploy the stored configuration: launch the builds of all components at once."""
    reply = await client.request("POST", "deploy")
    output.reply(reply)
    return await _show(client, output, reply, following)


@click.group()
def deployment() -> None:
    """List, show, cancel and delete the tool's deployments."""


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
@click.argument("deploy_id", metavar="[ID]", default="latest")
@_follow
@with_client
async def show(client: Client, output: Output, deploy_id: str, following: bool) -> int:
    """Show a deployment, the latest one if no ID is given."""
    reply = await client.request("GET", f"deploy/{deploy_id}")
    output.reply(reply)
    code = await _show(client, output, reply, following)
    return code if following else 0


@deployment.command("cancel")
@click.argument("deploy_id", metavar="[ID]", default="latest")
@_follow
@with_client
async def cancel(client: Client, output: Output, deploy_id: str, following: bool) -> int:
    """Cancel a deployment, the latest one if no ID is given."""
    reply = await client.request("PUT", f"deploy/{deploy_id}/cancel")
    output.reply(reply)
    await _show(client, output, reply, following)
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


async def _show(client: Client, output: Output, reply: Reply, following: bool) -> int:
    """Show a deployment, to its end if it is followed; return the exit code of its status."""
    if not output.as_json:
        output.line(f"deployment {reply.data['deploy-id']}")
    if following:
        reply = await follow(client, output, reply)
    if not output.data(reply.data):
        if not following:
            output.out.print(builds_table(reply.data, reply.date))
        if following:
            await show_failures(client, output, reply.data)
        output.line(reply.data["status"])
    return EXIT_OTHERWISE if is_final(reply.data) and reply.data["status"] != "FINISHED" else 0
