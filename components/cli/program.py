"""The commands, together."""

import click

from components import __version__
from components.cli.command import Commands
from components.cli.configuration import configuration
from components.cli.deployments import deploy, deployment
from components.cli.logs import logs
from components.cli.service import serve


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="components")
def program() -> None:
    """Configure a tool's components, and deploy them.

    The service is found at COMPONENTS_URL, and the tool is COMPONENTS_TOOL. Exit codes: 0 all
    well, 1 ended otherwise (a deployment that did not finish, a configuration that is not valid),
    2 the command, the connection or the service, 3 still going on when --timeout ran out, 130
    interrupted.
    """


program.add_command(serve)
program.add_command(configuration)
program.add_command(deploy)
program.add_command(deployment)
program.add_command(logs)
