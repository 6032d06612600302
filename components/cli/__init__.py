"""The command line: a client of the HTTP API, and the command that starts the service.

Nothing here may duplicate decisions of the service: commands send requests and show responses.
"""

import sys


def main() -> None:
    """Run the command that the arguments name, and exit with its exit code."""
    try:
        # Not at the top: the import is slow enough for the user to press Ctrl-C during it.
        from components.cli.program import program  # noqa: PLC0415
    except KeyboardInterrupt:
        sys.exit(130)
    program(prog_name="components")
