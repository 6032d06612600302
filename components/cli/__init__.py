"""The command line: a client of the HTTP API, and the way to start the service.

Nothing here may decide anything that the service decides: commands ask, and show the answer.
"""

import sys


def main() -> None:
    """Run the command that the arguments name, and exit with its code."""
    try:
        # Here and not above: it takes long enough for somebody to press Ctrl-C.
        from components.cli.program import program  # noqa: PLC0415
    except KeyboardInterrupt:
        sys.exit(130)
    program(prog_name="components")
