"""The options --follow, --wait and --timeout: what a command shows, and its exit code."""

import asyncio
import functools
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import click

from components.cli.client import Client, Reply, ServiceError
from components.cli.command import EXIT_TIMEOUT, EXIT_UNSUCCESSFUL
from components.cli.follow import follow, is_final
from components.cli.logs import show_failures
from components.cli.output import Output
from components.cli.tables import first_line, steps, steps_table, total_time


@dataclass(frozen=True, slots=True)
class Watching:
    """The options: show the builds, wait for the end only, and for how many seconds at most."""

    follow: bool
    wait: bool
    seconds: float | None

    @property
    def until_final(self) -> bool:
        """Whether the command runs until the deployment has ended."""
        return self.follow or self.wait

    @property
    def shows_builds(self) -> bool:
        """Whether the builds are shown, not only one line about the result."""
        return self.follow or not self.wait


def with_watching(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options to a command, and pass them to its function as `watching`."""

    @click.option(
        "--follow", "following", is_flag=True, help="Show the builds until all have ended."
    )
    @click.option(
        "--wait",
        "waiting",
        is_flag=True,
        help="Wait until all builds have ended, then print one line.",
    )
    @click.option(
        "--timeout",
        "seconds",
        metavar="SECONDS",
        type=click.FloatRange(min=0, min_open=True),
        help="Stop following or waiting after this time, with exit code 3.",
    )
    @functools.wraps(function)
    def command(
        *args: Any, following: bool, waiting: bool, seconds: float | None, **kwargs: Any
    ) -> Any:
        watching = Watching(following, waiting, seconds)
        if seconds is not None and not watching.until_final:
            raise click.UsageError("--timeout needs --follow or --wait")
        return function(*args, watching=watching, **kwargs)

    return command


async def show_deployment(client: Client, output: Output, reply: Reply, watching: Watching) -> int:
    """Show a deployment, until its end if it is watched; return the exit code for its status."""
    output.reply(reply)
    if not output.as_json and watching.shows_builds:
        output.line(f"deployment {reply.data['deploy-id']}")
    had_ended = is_final(reply.data)
    if watching.until_final:
        with _hint_how_to_resume(output, reply.data["deploy-id"]):
            quiet = not watching.shows_builds
            reply = await follow(client, output, reply, watching.seconds, quiet=quiet)
    if not output.data(reply.data):
        await _show_result(client, output, reply, watching, None if had_ended else reply.date)
    if not is_final(reply.data):
        return EXIT_TIMEOUT if watching.until_final else 0
    return 0 if reply.data["status"] == "FINISHED" else EXIT_UNSUCCESSFUL


@contextmanager
def _hint_how_to_resume(output: Output, deploy_id: str) -> Iterator[None]:
    """If watching is interrupted, tell the user how to watch the deployment again."""
    command = f"components deployment show {deploy_id} --follow"
    try:
        yield
    except asyncio.CancelledError:
        output.interrupted(f"the deployment continues; to watch it again: {command}")
        raise
    except ServiceError as error:
        if error.temporary:
            output.messages(info=[f"the deployment may continue; to watch it again: {command}"])
        raise


async def _show_result(
    client: Client, output: Output, reply: Reply, watching: Watching, now: datetime | None
) -> None:
    if not watching.until_final:
        output.table(steps_table(reply.data, reply.date))
    elif watching.shows_builds:
        await show_failures(client, output, reply.data)
    status = ": ".join(filter(None, (reply.data["status"], reply.data["message"])))
    output.line(summary(reply.data, now) if watching.wait else status)


def summary(deployment: Mapping[str, Any], now: datetime | None) -> str:
    """Return the result of a deployment in one line, for the log of a CI job."""
    builds = deployment["builds"].values()
    finished = sum(build["status"] == "FINISHED" for build in builds)
    time = total_time(deployment, now)
    failed = [
        f"{name}: {first_line(step['message']) or step['status']}"
        for name, step in steps(deployment)
        if step["status"] in ("ERROR", "CANCELLED")
    ]
    message = [deployment["message"]] if deployment["message"] else []
    parts = (
        f"{deployment['status']} {deployment['deploy-id']}",
        f"{finished} of {len(builds)} builds finished" + (f" in {time}" if time else ""),
        *message,
        *failed,
    )
    return "; ".join(parts)
