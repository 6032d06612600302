"""The settings of this runner that are no template."""

import re
from dataclasses import dataclass
from math import ceil
from typing import Self

from environs import Env, ValidationError, validate

_QUANTITY = re.compile(r"([0-9]+(\.[0-9]*)?|\.[0-9]+)([KMGTPE]i|[numkMGTPE]|[eE][+-]?[0-9]+)?")


@dataclass(frozen=True, slots=True)
class Settings:
    """`run_timeout` is in seconds; `cpu` and `memory` are for components that name none."""

    template: str = "plain"
    prefix: str = "tool-"
    run_timeout: int = 600
    cpu: str = "500m"
    memory: str = "512Mi"

    @classmethod
    def from_env(cls, env: Env) -> Self:
        """Return what `COMPONENTS_KUBERNETES_TEMPLATE`, `_CPU`, `_MEMORY` and others say."""
        return cls(
            env.str("KUBERNETES_TEMPLATE", cls().template),
            env.str("NAMESPACE_PREFIX", cls().prefix),
            ceil(
                env.float("RUN_TIMEOUT", cls().run_timeout, validate=validate.Range(1, 7 * 86400))
            ),
            env.str("KUBERNETES_CPU", cls().cpu, validate=_quantity),
            env.str("KUBERNETES_MEMORY", cls().memory, validate=_quantity),
        )

    def namespace_of(self, tool: str) -> str:
        """Return the namespace of a tool."""
        return f"{self.prefix}{tool}"


def _quantity(value: str) -> None:
    if not _QUANTITY.fullmatch(value):
        raise ValidationError('it must be a Kubernetes quantity such as "500m" or "512Mi"')
