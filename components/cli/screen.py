"""How a deployment is shown while it is followed: live on a terminal, line by line elsewhere."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TypeAlias

from rich.live import Live

from components.cli.client import Reply
from components.cli.output import Output
from components.cli.tables import builds_table, elapsed, first_line

Show: TypeAlias = Callable[[Reply], None]


@contextmanager
def screen(output: Output, reply: Reply, *, quiet: bool) -> Iterator[tuple[Output, Show]]:
    """Yield what shows replies, and the output for all messages meanwhile.

    If `quiet`, or for JSON, no reply is shown.
    """
    if quiet or output.as_json:
        yield output, _nothing
    elif _is_live(output, reply):
        with _live(output) as show:
            # One console owns the screen: it writes messages above what is live.
            owner = replace(output, err=output.out) if output.err.is_terminal else output
            yield owner, show
    else:
        yield output, _changes(output)


def _nothing(reply: Reply) -> None:
    """Show nothing."""


def _is_live(output: Output, reply: Reply) -> bool:
    """Whether there is a terminal, on which everything has room."""
    out = output.out
    if not out.is_terminal or out.is_dumb_terminal:
        return False
    return builds_table(reply.data, reply.date).height(out.width) < out.height


@contextmanager
def _live(output: Output) -> Iterator[Show]:
    """Yield what shows a reply in the place of the one before, and leaves the last one whole."""
    last: list[Reply] = []
    live = Live(
        console=output.out, auto_refresh=False, redirect_stdout=False, redirect_stderr=False
    )

    def show(reply: Reply) -> None:
        last[:] = [reply]
        live.update(builds_table(reply.data, reply.date, fits=True), refresh=True)

    with live:
        try:
            yield show
        finally:
            for reply in last:
                live.update(builds_table(reply.data, reply.date))


def _changes(output: Output) -> Show:
    """Print a line for a component whenever its status or message has changed."""
    seen: dict[str, tuple[str, str]] = {}

    def show(reply: Reply) -> None:
        for name, build in reply.data["builds"].items():
            now = (build["status"], build["message"])
            if seen.get(name) != now:
                seen[name] = now
                parts = (name, build["status"], elapsed(reply.data, build, reply.date))
                output.line("  ".join(filter(None, (*parts, first_line(build["message"])))))

    return show
