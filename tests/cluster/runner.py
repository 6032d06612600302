"""The runner under test, on ground that moves: its template, and how one is made."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeAlias

from backends.kube.connection import KubeConnection
from backends.runners.kubernetes.runner import KubernetesRunner
from backends.runners.kubernetes.settings import Settings
from tests.cluster.ground import PREFIX

OpenRunner: TypeAlias = Callable[..., Awaitable[KubernetesRunner]]
"""Opens a runner: with the template in a file, and other settings, as they are given."""

TEMPLATE = """
command: argv
minReadySeconds: 0
publish: {kind: Ingress, host: "${tool}.example.org"}
"""


def runner_on(kubeconfig: Path, template: Path, **settings: Any) -> KubernetesRunner:
    """Return a runner that is not open yet."""
    given = Settings(template=str(template), prefix=PREFIX, **settings)
    return KubernetesRunner(KubeConnection(str(kubeconfig)), given)
