"""The pods of a component: what the operator's template says, and what every pod has.

They satisfy the Pod Security Standard "restricted" (kubernetes.io/docs/concepts/security/
pod-security-standards), if what the template adds does.
"""

import math
import shlex
from collections.abc import Mapping
from typing import Any

from backends.runners.base import RunSpec, Wanted
from backends.runners.kubernetes.kinds import Json, labels_of
from backends.runners.kubernetes.record import REVISION
from backends.runners.kubernetes.settings import Settings
from backends.runners.kubernetes.template import Command, Template

PORT = "main"
"""The name of the port of a component, in its pods and in its Service."""

_PERIOD_SECONDS = 5
_STARTUP_SECONDS = 2
_ANSWER_SECONDS = 5
_LIVENESS_FAILURES = 6


def pod_template(
    tool: str, component: str, wanted: Wanted, template: Template, settings: Settings
) -> Json:
    """Return the pod template of a component. Nothing in it says which deployment it is of."""
    spec = wanted.spec
    namespace = settings.namespace_of(tool)
    mount = template.of(template.mounts.get(spec.mount or "none", {}), tool, component, namespace)
    base = template.of(template.pod, tool, component, namespace)
    container = merged(
        template.of(template.container, tool, component, namespace),
        _container(component, wanted, template.command, settings),
    )
    if mounts := mount.get("volume_mounts"):
        container["volumeMounts"] = [*container.get("volumeMounts", ()), *mounts]
    metadata = {
        "labels": {**mount.get("labels", {}), **labels_of(tool, component)},
        "annotations": {REVISION: wanted.revision} if wanted.revision else {},
    }
    pod: Json = {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "restartPolicy": "Always" if spec.schedule is None else "Never",
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
    }
    made = merged(base, {"metadata": metadata, "spec": pod})
    made["metadata"] = {name: each for name, each in made["metadata"].items() if each}
    made["spec"]["containers"] = [container, *made["spec"].get("containers", ())]
    if volumes := mount.get("volumes"):
        made["spec"]["volumes"] = [*made["spec"].get("volumes", ()), *volumes]
    return made


def merged(base: Mapping[str, Any], ours: Mapping[str, Any]) -> Json:
    """Return two objects as one: `ours` where both say something, mappings merged in the same way.

    Of a list, ours stands instead of the other.
    """
    found = dict(base)
    for name, each in ours.items():
        there = found.get(name)
        both = isinstance(there, Mapping) and isinstance(each, Mapping)
        found[name] = merged(there, each) if both else each  # type: ignore[arg-type]
    return found


def arguments(command: Command, text: str) -> list[str]:
    """Return a command as the words that are executed. Raises `ValueError` for an open quote."""
    match command:
        case Command.ARGV:
            return shlex.split(text)
        case Command.SHELL:
            return ["/bin/sh", "-c", text]
        case Command.LAUNCHER:
            return ["launcher", text]


def _container(component: str, wanted: Wanted, command: Command, settings: Settings) -> Json:
    spec = wanted.spec
    amounts = {"cpu": spec.cpu or settings.cpu, "memory": spec.memory or settings.memory}
    container: Json = {
        "name": component,
        "image": wanted.image,
        # Kubernetes would put variables in for `$(NAME)`, and make one dollar of two.
        "command": [each.replace("$", "$$") for each in arguments(command, spec.command)],
        "resources": {"requests": amounts, "limits": amounts},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
        },
    }
    if spec.port is not None:
        protocol = (spec.port_protocol or "tcp").upper()
        container["ports"] = [{"name": PORT, "containerPort": spec.port, "protocol": protocol}]
    return {**container, **_probes(spec, command, settings)}


def _probes(spec: RunSpec, command: Command, settings: Settings) -> Json:
    check: Json
    if spec.health_check_http is not None:
        check = {"httpGet": {"path": spec.health_check_http, "port": PORT}}
    elif spec.health_check_script is not None:
        check = {"exec": {"command": arguments(command, spec.health_check_script)}}
    elif spec.port is not None and spec.port_protocol != "udp":
        # It answers once it takes connections: until then the old version gets them.
        check = {"tcpSocket": {"port": PORT}}
    else:
        return {}
    probe = {**check, "periodSeconds": _PERIOD_SECONDS, "timeoutSeconds": _ANSWER_SECONDS}
    attempts = math.ceil(settings.run_timeout / _STARTUP_SECONDS)
    probes = {
        "startupProbe": {
            **probe,
            "periodSeconds": _STARTUP_SECONDS,
            "failureThreshold": attempts,
        },
        "readinessProbe": {**probe, "failureThreshold": 3},
    }
    if spec.health_check_http is not None:
        probes["livenessProbe"] = {**probe, "failureThreshold": _LIVENESS_FAILURES}
    return probes
