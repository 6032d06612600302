"""The logs of several components that run, together: each line with its component's name."""

import asyncio
from collections.abc import Collection
from itertools import cycle

from rich.text import Text

from components.cli.client import Client, ServiceError
from components.cli.output import Output
from components.cli.text import plain

_COLOURS = ("cyan", "magenta", "yellow", "green", "blue", "bright_red")


async def show_running(
    client: Client, output: Output, components: Collection[str], *, follow: bool
) -> None:
    """Print the logs of components that run, of all of them if none is named.

    A log that breaks off is reported, and the others continue. Raises `ServiceError` where none can
    be read.
    """
    if not components:
        components = list((await client.request("GET", "run")).data["components"])
    if not components:
        output.line(f"nothing of {client.connection.tool} runs")
        return
    found: dict[str, list[str]] = {name: [] for name in components}
    width = max(map(len, components))
    failures: list[ServiceError] = []

    async def show(name: str, colour: str) -> None:
        try:
            async for line in client.lines(f"run/{name}/log", follow=follow):
                if output.as_json:
                    found[name].append(line)
                elif len(components) == 1:
                    output.line(line)
                else:
                    _print(output, name.ljust(width), colour, line)
        except ServiceError as error:
            failures.append(error)
            output.messages(warnings=[f"the log of {name}: {each}" for each in error.errors])

    async with asyncio.TaskGroup() as group:
        for name, colour in zip(components, cycle(_COLOURS), strict=False):
            group.create_task(show(name, colour))
    if len(failures) == len(components):
        raise failures[0]
    output.data({"components": found})


def _print(output: Output, name: str, colour: str, line: str) -> None:
    output.out.print(Text.assemble((f"{name} | ", colour), plain(line)), soft_wrap=True)
