"""The settings of the local builder."""

import re
from dataclasses import dataclass
from typing import Self

from environs import Env, validate

from backends.builders.local.engine import EngineName

_REGISTRY = re.compile(r"[a-z0-9]([-a-z0-9._/:]*[a-z0-9])?$")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The settings of builds; docs/settings.md describes each.

    Without an `engine`, the first available one is used. Without a `directory`, a temporary one is
    created and deleted at the end. A `max_builds` of 0 means the number of processors.
    """

    store: str = "memory"
    engine: str = ""
    directory: str = ""
    registry: str = "localhost"
    max_builds: int = 0
    timeout: float = 1800.0
    max_bytes: int = 1024 * 1024 * 1024
    pack_builder: str = "heroku/builder:24"

    @classmethod
    def from_env(cls, env: Env) -> Self:
        """Read the settings. Raises `EnvError` with the name of a bad one."""
        engines = ["", *map(str, EngineName)]
        return cls(
            store=env.str("STORE", cls.store),
            engine=env.str("LOCAL_ENGINE", cls.engine, validate=validate.OneOf(engines)),
            directory=env.str("LOCAL_DIR", cls.directory),
            registry=env.str("LOCAL_REGISTRY", cls.registry, validate=validate.Regexp(_REGISTRY)),
            max_builds=env.int(
                "LOCAL_MAX_BUILDS", cls.max_builds, validate=validate.Range(0, 1000)
            ),
            timeout=env.float("LOCAL_TIMEOUT", cls.timeout, validate=validate.Range(min=0.1)),
            max_bytes=env.int("LOCAL_MAX_BYTES", cls.max_bytes, validate=validate.Range(min=1)),
            pack_builder=env.str(
                "LOCAL_PACK_BUILDER", cls.pack_builder, validate=validate.Length(min=1)
            ),
        )
