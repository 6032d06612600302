"""What all commands share: common options, the client, exit codes and error handling."""

import asyncio
import functools
import io
import os
import re
import signal
import sys
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

import click
from yarl import URL

from components.cli.client import Connection, ServiceError, connect
from components.cli.output import Output
from components.cli.text import plain_lines
from components.engine.tokens.text import PREFIX, is_whole
from components.settings import Settings
from components.tool_name import RULE, is_tool_name

TOKEN_VARIABLE = "COMPONENTS_TOKEN"  # noqa: S105 - a name

EXIT_UNSUCCESSFUL = 1
"""The deployment did not finish, or the configuration is not valid."""

EXIT_ERROR = 2
"""The command, the connection or the service failed."""

EXIT_TIMEOUT = 3
"""The deployment had not ended when --timeout expired."""

EXIT_INTERRUPTED = 128 + signal.SIGINT
"""The user pressed Ctrl-C."""


class InvalidFile(ServiceError):
    """The file is not a valid configuration, as found here or by the service."""


class Commands(click.Group):
    """The program's group: makes usage errors safe to print, and exits with 130 on Ctrl-C."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Run a command and exit with its exit code."""
        try:
            code = super().main(*args, **{**kwargs, "standalone_mode": False})
        except click.ClickException as error:
            shown = io.StringIO()
            error.show(shown)
            click.echo("\n".join(plain_lines(shown.getvalue().rstrip("\n"))), err=True)
            code = error.exit_code
        except click.Abort:
            code = EXIT_INTERRUPTED
        sys.exit(code)


def _tool(context: click.Context, parameter: click.Parameter, value: str) -> str:
    if not is_tool_name(value):
        raise click.BadParameter(f"{value!r} is not {RULE}")
    return value


def _url(context: click.Context, parameter: click.Parameter, value: str) -> URL:
    try:
        url = URL(value)
    except ValueError:
        url = URL()
    if url.scheme not in ("http", "https") or not url.host:
        raise click.BadParameter(f"{value!r} is not an http or https URL")
    return url


def header_value(
    context: click.Context, parameter: click.Parameter, value: str | None
) -> str | None:
    """Return a value that is sent in a header. Raises `click.BadParameter` if it is not valid."""
    if value is not None and not re.fullmatch(r"[!#-~]{1,255}", value):
        raise click.BadParameter("must be 1 to 255 visible ASCII characters without quotes")
    return value


def path_segment(context: click.Context, parameter: click.Parameter, value: str) -> str:
    """Return a name that is sent in a path. Raises `click.BadParameter` if it is not valid."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,252}", value):
        raise click.BadParameter(
            f"{value!r} is not a valid name: use letters, digits, '-', '.' and '_'"
        )
    return value


def _token() -> str | None:
    """Return the token in the environment; there is no option, which other users could read.

    Raises `click.UsageError` if it is not whole, so that no other secret is sent by mistake.
    """
    token = os.environ.get(TOKEN_VARIABLE, "").strip()
    if token and not is_whole(token):
        raise click.UsageError(
            f"{TOKEN_VARIABLE} is not a whole token: one begins with {PREFIX}, and its end is a "
            "checksum"
        )
    return token or None


_json_option = click.option("--json", "as_json", is_flag=True, help="Print the data as JSON.")

_options = (
    click.option(
        "--url",
        envvar="COMPONENTS_URL",
        default="http://127.0.0.1:8000",
        show_default=True,
        show_envvar=True,
        callback=_url,
        help="The URL of the service.",
    ),
    click.option(
        "--tool",
        envvar="COMPONENTS_TOOL",
        required=True,
        show_envvar=True,
        callback=_tool,
        help="The name of the tool.",
    ),
    click.option("--client-cert", envvar="COMPONENTS_CLIENT_CERT", hidden=True),
    click.option("--client-key", envvar="COMPONENTS_CLIENT_KEY", hidden=True),
    click.option("--client-ca", envvar="COMPONENTS_CLIENT_CA", hidden=True),
    click.option(
        "--auth-header",
        envvar="COMPONENTS_AUTH_HEADER",
        default=Settings.auth_header,
        hidden=True,
    ),
    click.option(
        "--auth-organization",
        envvar="COMPONENTS_AUTH_ORGANIZATION",
        default=Settings.auth_organization,
        hidden=True,
    ),
    _json_option,
)


@contextmanager
def _reports_write_errors(context: click.Context, output: Output) -> Iterator[None]:
    """Report in one line that the output cannot be written, for example to a full disk."""
    try:
        yield
    except BrokenPipeError:
        raise  # handled by click: the reader closed the pipe
    except OSError as error:
        output.messages(errors=[f"the output cannot be written: {error.strerror}"])
        context.exit(EXIT_ERROR)


def with_output(function: Callable[..., int]) -> Callable[..., None]:
    """Add `--json` to a command that needs no service; the function returns the exit code."""

    @_json_option
    @click.pass_context
    @functools.wraps(function)
    def command(context: click.Context, /, *, as_json: bool, **kwargs: Any) -> None:
        output = Output(as_json=as_json)
        with _reports_write_errors(context, output):
            context.exit(function(output, **kwargs))

    return command


def with_client(
    function: Callable[..., Coroutine[Any, Any, int | None]],
) -> Callable[..., None]:
    """Make a coroutine function a command with a client; it returns the exit code."""

    @click.pass_context
    @functools.wraps(function)
    def command(context: click.Context, /, **kwargs: Any) -> None:
        connection = Connection(
            url=kwargs.pop("url"),
            tool=kwargs.pop("tool"),
            certificate=kwargs.pop("client_cert"),
            key=kwargs.pop("client_key"),
            ca=kwargs.pop("client_ca"),
            auth_header=kwargs.pop("auth_header"),
            auth_organization=kwargs.pop("auth_organization"),
            token=_token(),
        )
        output = Output(as_json=kwargs.pop("as_json"))

        async def run() -> int | None:
            async with connect(connection) as client:
                return await function(client, output, **kwargs)

        try:
            with _reports_write_errors(context, output):
                context.exit(asyncio.run(run()) or 0)
        except ServiceError as error:
            output.messages(warnings=error.warnings, errors=error.errors)
            context.exit(EXIT_UNSUCCESSFUL if isinstance(error, InvalidFile) else EXIT_ERROR)
        except KeyboardInterrupt:
            context.exit(EXIT_INTERRUPTED)

    for option in reversed(_options):
        command = option(command)
    return command
