"""Whether and how long a command watches a deployment, what it shows then, and its exit code."""

import asyncio
import functools
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import click

from components.cli.client import Client, Reply, ServiceError
from components.cli.command import EXIT_GOING_ON, EXIT_OTHERWISE
from components.cli.follow import follow, is_final
from components.cli.logs import show_failures
from components.cli.output import Output
from components.cli.tables import builds_table, first_line, taken


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

    @property
    def shows_builds(self) -> bool:
        """Whether more is shown than one line about the end."""
        return self.follow or not self.wait


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
    if not output.as_json and watching.shows_builds:
        output.line(f"deployment {reply.data['deploy-id']}")
    had_ended = is_final(reply.data)
    if watching.to_the_end:
        with _going_on(output, reply.data["deploy-id"]):
            quiet = not watching.shows_builds
            reply = await follow(client, output, reply, watching.seconds, quiet=quiet)
    if not output.data(reply.data):
        await _show_end(client, output, reply, watching, None if had_ended else reply.date)
    if not is_final(reply.data):
        return EXIT_GOING_ON if watching.to_the_end else 0
    return 0 if reply.data["status"] == "FINISHED" else EXIT_OTHERWISE


@contextmanager
def _going_on(output: Output, deploy_id: str) -> Iterator[None]:
    """Say how to come back to a deployment that nobody watches any more."""
    back = f"components deployment show {deploy_id} --follow"
    try:
        yield
    except asyncio.CancelledError:
        output.interrupted(f"the deployment goes on; to come back to it: {back}")
        raise
    except ServiceError as error:
        if error.passing:
            output.messages(info=[f"the deployment may go on; to come back to it: {back}"])
        raise


async def _show_end(
    client: Client, output: Output, reply: Reply, watching: Watching, now: datetime | None
) -> None:
    if not watching.to_the_end:
        output.table(builds_table(reply.data, reply.date))
    elif watching.shows_builds:
        await show_failures(client, output, reply.data)
    said = ": ".join(filter(None, (reply.data["status"], reply.data["message"])))
    output.line(summary(reply.data, now) if watching.wait else said)


def summary(deployment: Mapping[str, Any], now: datetime | None) -> str:
    """Return one line that says all of a deployment that a build server's log needs."""
    builds = deployment["builds"].values()
    finished = sum(build["status"] == "FINISHED" for build in builds)
    time = taken(deployment, now)
    wrong = [
        f"{name}: {first_line(build['message']) or build['status']}"
        for name, build in deployment["builds"].items()
        if build["status"] in ("ERROR", "CANCELLED")
    ]
    said = [deployment["message"]] if deployment["message"] else []
    parts = (
        f"{deployment['status']} {deployment['deploy-id']}",
        f"{finished} of {len(builds)} builds finished" + (f" in {time}" if time else ""),
        *said,
        *wrong,
    )
    return "; ".join(parts)
