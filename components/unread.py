"""Environment variables that look like settings and that nothing reads: a slip of the pen, often.

They are told of and not refused: they may be another program's, or a backend's that is not chosen.
"""

import os
from collections.abc import Iterable, Iterator
from dataclasses import fields

from environs import Env

from components.configuration.problems import nearest
from components.settings import PREFIX, Settings

CLIENT_VARIABLES = frozenset({"URL", "TOOL", "CLIENT_CERT", "CLIENT_KEY", "CLIENT_CA"})
"""What the command line reads, without the prefix; it may run in the same environment."""

_OF_TESTS = "TEST_"
_SERVICE_HOST = "_SERVICE_HOST"


def unread_settings(env: Env) -> Iterator[str]:
    """Yield a line for each variable that nothing reads, with the name that may have been meant.

    `env` is what the settings of all backends have been read from.
    """
    read = {name.removeprefix(PREFIX) for name in env.dump()}
    known = read | {each.name.upper() for each in fields(Settings)} | CLIENT_VARIABLES
    names = [each.removeprefix(PREFIX) for each in os.environ if each.startswith(PREFIX)]
    for name in sorted(names):
        if name in known or name.startswith(_OF_TESTS) or _is_of_kubernetes(name, names):
            continue
        near = nearest(name, known)
        hint = f"did you mean {PREFIX}{near}?" if near else "no backend that is chosen has it"
        yield f"{PREFIX}{name} is set, and nothing reads it: {hint}"


def _is_of_kubernetes(name: str, names: Iterable[str]) -> bool:
    """Whether a variable is of those that tell pods of a Service, such as `<NAME>_SERVICE_HOST`."""
    services = [each.removesuffix(_SERVICE_HOST) for each in names if each.endswith(_SERVICE_HOST)]
    return name.startswith(
        tuple(f"{each}_{what}" for each in services for what in ("SERVICE_", "PORT"))
    )
