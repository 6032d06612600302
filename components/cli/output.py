"""What people see: data on standard output, messages on standard error."""

import io
import json
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from components.cli.client import Reply

_STYLES = {
    "PENDING": "dim",
    "RUNNING": "cyan",
    "FINISHED": "green",
    "ERROR": "bold red",
    "CANCELLED": "magenta",
}
_PIPE_WIDTH = 500
"""Wide enough that no id is cut where nobody's terminal sets the width."""


def console(*, stderr: bool = False) -> Console:
    """Return a console that leaves text as it is: no markup, no highlighting, no emoji codes."""
    stream = (sys.stderr if stderr else sys.stdout) or io.StringIO()  # None where it was closed
    width = None if stream.isatty() else _PIPE_WIDTH
    return Console(file=stream, width=width, markup=False, highlight=False, emoji=False)


@dataclass(frozen=True, slots=True)
class Output:
    """Where a command writes; with `as_json`, its data are JSON and nothing else."""

    as_json: bool = False
    out: Console = field(default_factory=console)
    err: Console = field(default_factory=lambda: console(stderr=True))

    def reply(self, reply: Reply) -> None:
        """Show the messages of a reply."""
        self.messages(reply.info, reply.warnings, reply.errors)

    def messages(
        self,
        info: Iterable[str] = (),
        warnings: Iterable[str] = (),
        errors: Iterable[str] = (),
    ) -> None:
        """Show messages on standard error: warnings in yellow, errors in red."""
        for message in info:
            self.err.print(Text(message), soft_wrap=True)
        for message in warnings:
            self.err.print(Text(f"warning: {message}", style="yellow"), soft_wrap=True)
        for message in errors:
            self.err.print(Text(f"error: {message}", style="red"), soft_wrap=True)

    def data(self, data: Any) -> bool:
        """Print `data` if JSON was asked for; return whether it was."""
        if self.as_json:
            click.echo(json.dumps(data, indent=2, ensure_ascii=False))
        return self.as_json

    def line(self, text: str) -> None:
        """Print a line of text as it is."""
        click.echo(text)


def plain(line: str) -> str:
    """Return a line of a log without what would do something to a terminal."""
    without = Text.from_ansi(line).plain
    return "".join(each if each.isprintable() or each == "\t" else " " for each in without)


def status_text(status: str) -> Text:
    """Return a status in its colour."""
    return Text(status, style=_STYLES.get(status, ""))


def builds_table(deployment: Mapping[str, Any], now: datetime) -> Table:
    """Return one line for each component: name, status, elapsed time, image or message."""
    table = Table(box=None, show_header=False, pad_edge=False)
    # Where room is short, it is the last column that gives way.
    for width in (max(map(len, deployment["builds"])), len("CANCELLED"), len("59m59s")):
        table.add_column(no_wrap=True, min_width=width)
    table.add_column(no_wrap=True, overflow="ellipsis")
    for name, build in deployment["builds"].items():
        table.add_row(
            Text(name),
            status_text(build["status"]),
            Text(elapsed(deployment, build, now)),
            Text(first_line(build["message"]) or build["image"] or ""),
        )
    return table


def first_line(message: str) -> str:
    """Return the first line of a message, which is what there is room for."""
    return message.split("\n", 1)[0]


def deployments_table(deployments: Iterable[Mapping[str, Any]]) -> Table:
    """Return one line for each deployment: id, status, creation time, how many builds finished."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("DEPLOYMENT", "STATUS", "CREATED", "BUILDS"):
        table.add_column(heading, no_wrap=True)
    for each in deployments:
        builds = each["builds"].values()
        finished = sum(build["status"] == "FINISHED" for build in builds)
        created = datetime.fromisoformat(each["creation-time"])
        table.add_row(
            Text(each["deploy-id"]),
            status_text(each["status"]),
            Text(f"{created:%Y-%m-%d %H:%M:%S} UTC"),
            Text(f"{finished} of {len(builds)} finished"),
        )
    return table


def plan_table(builds: Mapping[str, Mapping[str, Any]]) -> Table:
    """Return one line for each component: what would be done, of which commit, and why."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("COMPONENT", "ACTION", "COMMIT"):
        table.add_column(heading, no_wrap=True)
    table.add_column("WHY", no_wrap=True, overflow="ellipsis")
    for name, each in builds.items():
        style = "green" if each["action"] == "reuse" else "cyan"
        commit = (each["commit"] or "")[:12]
        table.add_row(Text(name), Text(each["action"], style), Text(commit), Text(each["reason"]))
    return table


def history_table(configurations: Iterable[Mapping[str, Any]]) -> Table:
    """Return one line for each configuration: its tag, since when, how many components."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("ETAG", "STORED", "COMPONENTS", ""):
        table.add_column(heading, no_wrap=True)
    for each in configurations:
        stored = each["stored-time"]
        time = f"{datetime.fromisoformat(stored):%Y-%m-%d %H:%M:%S} UTC" if stored else "unknown"
        table.add_row(
            Text(each["etag"]),
            Text(time),
            Text(str(len(each["config"]["components"]))),
            Text("current" if each["current"] else ""),
        )
    return table


def elapsed(deployment: Mapping[str, Any], build: Mapping[str, Any], now: datetime) -> str:
    """Return how long a build has taken until it ended, or else until `now`; in whole seconds."""
    since = datetime.fromisoformat(build["start-time"] or deployment["creation-time"])
    if build["end-time"]:
        now = datetime.fromisoformat(build["end-time"])
    elif build["status"] not in ("PENDING", "RUNNING"):
        return ""
    return duration(now - since)


def duration(time: timedelta) -> str:
    """Return a length of time in whole seconds: `45s`, `1m05s`."""
    seconds = max(0, time // timedelta(seconds=1))
    minutes, seconds = divmod(seconds, 60)
    return f"{minutes}m{seconds:02}s" if minutes else f"{seconds}s"
