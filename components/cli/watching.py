"""Whether and how long a command watches a deployment, what it shows then, and its exit code."""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import click

from components.cli.client import Client, Reply
from components.cli.command import EXIT_GOING_ON, EXIT_OTHERWISE
from components.cli.follow import follow, is_final
from components.cli.logs import show_failures
from components.cli.output import Output, builds_table, duration, first_line


@dataclass(frozen=True, slots=True)
class Watching:
    """What was asked for: to see the builds, to hear of the end only; for how many seconds."""

    follow: bool
    wait: bool
    seconds: float | None

    @property
    def to_the_end(self) -> bool:
        """Whether the command ends with the deployment."""
        return self.follow or self.wait


def with_watching(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options, and its function the `watching` that they ask for."""

    @click.option(
        "--follow", "following", is_flag=True, help="Show the builds until the last one has ended."
    )
    @click.option(
        "--wait", "waiting", is_flag=True, help="Wait for the end, and print one line about it."
    )
    @click.option(
        "--timeout",
        "seconds",
        metavar="SECONDS",
        type=click.FloatRange(min=0, min_open=True),
        help="Follow or wait no longer than this; exit code 3 if it has not ended then.",
    )
    @functools.wraps(function)
    def command(
        *args: Any, following: bool, waiting: bool, seconds: float | None, **kwargs: Any
    ) -> Any:
        watching = Watching(following, waiting, seconds)
        if seconds is not None and not watching.to_the_end:
            raise click.UsageError("--timeout needs --follow or --wait")
        return function(*args, watching=watching, **kwargs)

    return command


async def show_deployment(client: Client, output: Output, reply: Reply, watching: Watching) -> int:
    """Show a deployment, to its end if it is watched; return the exit code of its status."""
    output.reply(reply)
    quiet = watching.wait and not watching.follow
    if not output.as_json and not quiet:
        output.line(f"deployment {reply.data['deploy-id']}")
    if watching.to_the_end:
        reply = await follow(client, output, reply, watching.seconds, quiet=quiet)
    if not output.data(reply.data):
        await _show_end(client, output, reply, watching, quiet)
    if not is_final(reply.data):
        return EXIT_GOING_ON if watching.to_the_end else 0
    return 0 if reply.data["status"] == "FINISHED" else EXIT_OTHERWISE


async def _show_end(
    client: Client, output: Output, reply: Reply, watching: Watching, quiet: bool
) -> None:
    if not watching.to_the_end:
        output.out.print(builds_table(reply.data, reply.date))
    elif not quiet:
        await show_failures(client, output, reply.data)
    said = ": ".join(filter(None, (reply.data["status"], reply.data["message"])))
    output.line(summary(reply.data, reply.date) if watching.wait else said)


def summary(deployment: Mapping[str, Any], now: datetime) -> str:
    """Return one line that says all of a deployment that a build server's log needs."""
    builds = deployment["builds"].values()
    finished = sum(build["status"] == "FINISHED" for build in builds)
    taken = duration(now - datetime.fromisoformat(deployment["creation-time"]))
    wrong = [
        f"{name}: {first_line(build['message']) or build['status']}"
        for name, build in deployment["builds"].items()
        if build["status"] in ("ERROR", "CANCELLED")
    ]
    said = [deployment["message"]] if deployment["message"] else []
    parts = (
        f"{deployment['status']} {deployment['deploy-id']}",
        f"{finished} of {len(builds)} builds finished in {taken}",
        *said,
        *wrong,
    )
    return "; ".join(parts)
