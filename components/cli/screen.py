"""How a followed deployment is shown: live on a terminal, otherwise line by line."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TypeAlias

from rich.live import Live

from components.cli.client import Reply
from components.cli.output import Output
from components.cli.tables import elapsed, first_line, steps, steps_table

Show: TypeAlias = Callable[[Reply], None]


@contextmanager
def screen(output: Output, reply: Reply, *, quiet: bool) -> Iterator[tuple[Output, Show]]:
    """Yield the output for messages, and a function that shows replies.

    If `quiet`, or for JSON, no reply is shown.
    """
    if quiet or output.as_json:
        yield output, _show_nothing
    elif _is_live(output, reply):
        with _live(output) as show:
            # One console owns the screen: it writes messages above the live table.
            owner = replace(output, err=output.out) if output.err.is_terminal else output
            yield owner, show
    else:
        yield output, _line_per_change(output)


def _show_nothing(reply: Reply) -> None:
    """Show nothing."""


def _is_live(output: Output, reply: Reply) -> bool:
    """Whether there is a terminal that is high enough for all rows."""
    out = output.out
    if not out.is_terminal or out.is_dumb_terminal:
        return False
    return steps_table(reply.data, reply.date).height(out.width) < out.height


@contextmanager
def _live(output: Output) -> Iterator[Show]:
    """Yield a function that replaces the shown reply; leave the last one on screen in full."""
    last: list[Reply] = []
    live = Live(
        console=output.out, auto_refresh=False, redirect_stdout=False, redirect_stderr=False
    )

    def show(reply: Reply) -> None:
        last[:] = [reply]
        live.update(steps_table(reply.data, reply.date, fits=True), refresh=True)

    with live:
        try:
            yield show
        finally:
            for reply in last:
                live.update(steps_table(reply.data, reply.date))


def _line_per_change(output: Output) -> Show:
    """Return a function that prints a line for each component whose status or message changed."""
    shown: dict[str, tuple[str, str]] = {}

    def show(reply: Reply) -> None:
        for name, step in steps(reply.data):
            current = (step["status"], step["message"])
            if shown.get(name) != current:
                shown[name] = current
                parts = (name, step["status"], elapsed(reply.data, step, reply.date))
                output.line("  ".join(filter(None, (*parts, first_line(step["message"])))))

    return show
