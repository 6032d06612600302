"""Environment variables that look like settings but are not read: often misspelled.

They cause a warning, not an error: they may belong to another program or to another backend.
"""

import os
from collections.abc import Iterable, Iterator
from dataclasses import fields

from environs import Env

from components.configuration.problems import nearest
from components.settings import PREFIX, Settings

CLIENT_VARIABLES = frozenset({"URL", "TOOL", "TOKEN", "CLIENT_CERT", "CLIENT_KEY", "CLIENT_CA"})
"""The variables of the command line, without the prefix; it may run in the same environment."""

_TEST_PREFIX = "TEST_"
_SERVICE_HOST = "_SERVICE_HOST"


def unknown_settings(env: Env) -> Iterator[str]:
    """Yield a warning for each variable that nothing reads, with the most similar known name.

    `env` is what the settings of all backends have been read from.
    """
    read = {name.removeprefix(PREFIX) for name in env.dump()}
    known = read | {each.name.upper() for each in fields(Settings)} | CLIENT_VARIABLES
    names = [each.removeprefix(PREFIX) for each in os.environ if each.startswith(PREFIX)]
    for name in sorted(names):
        if name in known or name.startswith(_TEST_PREFIX) or _is_service_link(name, names):
            continue
        near = nearest(name, known)
        hint = f"did you mean {PREFIX}{near}?" if near else "no selected backend has it"
        yield f"{PREFIX}{name} is set, and nothing reads it: {hint}"


def _is_service_link(name: str, names: Iterable[str]) -> bool:
    """Whether Kubernetes sets a variable for a Service, such as `<NAME>_SERVICE_HOST`."""
    services = [each.removesuffix(_SERVICE_HOST) for each in names if each.endswith(_SERVICE_HOST)]
    return name.startswith(
        tuple(f"{each}_{what}" for each in services for what in ("SERVICE_", "PORT"))
    )
