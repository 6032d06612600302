"""The `logs` command, and the log excerpts of failed builds."""

from collections import deque
from collections.abc import Mapping
from typing import Any

import click

from components.cli.client import Client, ServiceError
from components.cli.command import path_segment, with_client
from components.cli.output import Output
from components.cli.running_logs import show_running

TAIL_LINES = 10
"""How many lines of a failed build's log are shown when a followed deployment ends."""


def _names(
    context: click.Context, parameter: click.Parameter, values: tuple[str, ...]
) -> tuple[str, ...]:
    return tuple(path_segment(context, parameter, value) for value in values)


@click.command()
@click.argument("components", metavar="[COMPONENT]...", nargs=-1, callback=_names)
@click.option(
    "--deployment",
    "deploy_id",
    metavar="ID",
    default="latest",
    show_default=True,
    callback=path_segment,
)
@click.option("--running", is_flag=True, help="Print what the COMPONENTs that run write now.")
@click.option("--follow", is_flag=True, help="Print lines as they come, until the end.")
@with_client
async def logs(
    client: Client,
    output: Output,
    components: tuple[str, ...],
    deploy_id: str,
    running: bool,
    follow: bool,
) -> None:
    """Print the log of a component's build, or with --running of the COMPONENTs that run.

    With --running and no COMPONENT, print the logs of all that run.
    """
    if running:
        await show_running(client, output, components, follow=follow)
        return
    if len(components) != 1:
        raise click.UsageError("name one component; with --running, any number of them")
    (component,) = components
    lines = []
    async for line in client.lines(_path(deploy_id, component), follow=follow):
        if output.as_json:
            lines.append(line)
        else:
            output.line(line)
    output.data({"lines": lines})


async def show_failures(client: Client, output: Output, deployment: Mapping[str, Any]) -> None:
    """Show the last lines of the log of each failed build of a deployment."""
    shown: set[str] = set()
    for component, build in deployment["builds"].items():
        if build["status"] != "ERROR" or build["build-id"] in (None, *shown):
            continue
        shown.add(build["build-id"])
        tail: deque[str] = deque(maxlen=TAIL_LINES)
        try:
            async for line in client.lines(_path(deployment["deploy-id"], component)):
                tail.append(line)
        except ServiceError as error:
            output.messages(warnings=[f"the log of {component}: {each}" for each in error.errors])
        if tail:
            output.line(f"the last lines of the log of {component}:")
            for line in tail:
                output.line(f"  {line}")


def _path(deploy_id: str, component: str) -> str:
    return f"deploy/{deploy_id}/builds/{component}/log"
