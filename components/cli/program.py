"""The program: the group of all commands."""

import click

from components import __version__
from components.cli.command import Commands
from components.cli.configuration import configuration
from components.cli.deployments import deploy, deployment
from components.cli.logs import logs
from components.cli.running import restart, start, status, stop
from components.cli.service import serve
from components.cli.tokens import token


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="components")
def program() -> None:
    """Configure and deploy a tool's components.

    Set COMPONENTS_URL to the URL of the service, and COMPONENTS_TOOL to the tool. Exit codes: 0
    success, 1 the deployment did not finish or the configuration is not valid, 2 the command, the
    connection or the service failed, 3 the deployment had not ended when --timeout expired, 130
    interrupted.
    """


program.add_command(serve)
program.add_command(configuration)
program.add_command(deploy)
program.add_command(deployment)
program.add_command(logs)
program.add_command(status)
program.add_command(restart)
program.add_command(start)
program.add_command(stop)
program.add_command(token)
