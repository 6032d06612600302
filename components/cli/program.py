"""The command line: a client of the HTTP API, and the way to start the service.

Nothing here may decide anything that the service decides: commands ask, and show the answer.
"""

import click

from components import __version__
from components.cli.configuration import configuration
from components.cli.deployments import deploy, deployment
from components.cli.logs import logs
from components.cli.service import serve


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="components")
def main() -> None:
    """Configure a tool's components, and deploy them.

    The service is found at COMPONENTS_URL, and the tool is COMPONENTS_TOOL. Exit codes: 0 all
    well, 1 ended otherwise (a deployment that did not finish, a file that is not valid), 2 the
    command, the connection or the service, 3 still going on when --timeout ran out.
    """


main.add_command(serve)
main.add_command(configuration)
main.add_command(deploy)
main.add_command(deployment)
main.add_command(logs)
