"""The command that runs the service."""

import asyncio
import os
import socket

import click

from components.cli.command import EXIT_ERROR
from components.settings import SettingsError, environment, read_settings


class _StartError(click.ClickException):
    """The service cannot start; the message is one line."""

    exit_code = EXIT_ERROR


@click.command()
def serve() -> None:
    """Run the service until SIGTERM, with the settings in the environment."""
    # Not at the top: client commands do not need to load a server.
    from components.logs import setup_logging  # noqa: PLC0415
    from components.serve import serve as run  # noqa: PLC0415

    try:
        settings = read_settings(environment())
        setup_logging(settings.log_level, settings.log_format)
        asyncio.run(run(settings))
    except SettingsError as error:
        raise _StartError(str(error)) from None
    except OSError as error:
        address = f"{settings.host}:{settings.port}"
        # The number of a `gaierror` is not an errno.
        is_errno = error.errno and not isinstance(error, socket.gaierror)
        reason = os.strerror(error.errno or 0) if is_errno else error.strerror or str(error)
        what = f"use the file {error.filename}" if error.filename else f"listen on {address}"
        raise _StartError(f"cannot {what}: {reason}") from None
