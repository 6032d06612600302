"""What is applied for a component: the content of its objects, from a wanted state and a template.

A content is an object without its names and without what says where it came from: the same wanted
state, template and settings always make the same content.
"""

from collections.abc import Mapping
from typing import Any

from backends.runners.base import RunSpec, Wanted
from backends.runners.kubernetes.kinds import (
    CRON_JOB,
    DEPLOYMENT,
    INGRESS,
    PUBLISHED,
    SERVICE,
    Json,
    Kind,
    labels_of,
)
from backends.runners.kubernetes.pod_template import PORT, pod_template
from backends.runners.kubernetes.schedules import TIME_ZONE, kubernetes_schedule
from backends.runners.kubernetes.settings import Settings
from backends.runners.kubernetes.template import Template

URL = "components-api/url"
"""The annotation of what publishes a component: where people find it."""

STARTING_DEADLINE_SECONDS = 300
"""How late a run may begin. Without it, a hundred missed times stop a CronJob for good."""


def contents_of(
    tool: str, component: str, wanted: Wanted, template: Template, settings: Settings
) -> dict[Kind, Json]:
    """Return what is applied for a component, by kind: first what runs, then what leads to it."""
    spec = wanted.spec
    namespace = settings.namespace_of(tool)
    pod = pod_template(tool, component, wanted, template, settings)
    if spec.schedule is not None:
        return {CRON_JOB: {"spec": _cron_job(tool, component, spec, spec.schedule, pod)}}
    found: dict[Kind, Json] = {
        DEPLOYMENT: {"spec": _deployment(tool, component, spec, template, settings, pod)}
    }
    if spec.port is not None:
        found[SERVICE] = {"spec": _service(tool, component, spec, spec.port)}
    if spec.publish is not None and spec.port is not None and template.publish is not None:
        publish = template.of(template.publish, tool, component, namespace)
        kind = PUBLISHED[publish["kind"]]
        make = _ingress if kind is INGRESS else _http_route
        found[kind] = {
            "metadata": {
                "annotations": {
                    **publish["annotations"],
                    URL: f"{publish['scheme']}://{publish['host']}{spec.publish}",
                }
            },
            "spec": make(component, spec.publish, spec.port, publish),
        }
    return found


def object_of(
    kind: Kind, tool: str, component: str, content: Json, annotations: Mapping[str, str]
) -> Json:
    """Return an object with a content, without its version."""
    metadata = content.get("metadata") or {}
    return {
        "apiVersion": kind.api_version,
        "kind": kind.name,
        "metadata": {
            "name": component,
            "labels": labels_of(tool, component),
            "annotations": {**(metadata.get("annotations") or {}), **annotations},
        },
        "spec": content["spec"],
    }


def _deployment(
    tool: str,
    component: str,
    spec: RunSpec,
    template: Template,
    settings: Settings,
    pod: Json,
) -> Json:
    # What can be asked is ready once it answers; of anything else, only time tells that it runs.
    can_be_asked = "readinessProbe" in pod["spec"]["containers"][0]
    return {
        "replicas": spec.replicas or 1,
        "revisionHistoryLimit": 2,
        "progressDeadlineSeconds": max(
            settings.run_timeout, 0 if can_be_asked else template.min_ready_seconds + 1
        ),
        "minReadySeconds": 0 if can_be_asked else template.min_ready_seconds,
        "strategy": {
            "type": "RollingUpdate",
            "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1},
        },
        "selector": {"matchLabels": labels_of(tool, component)},
        "template": pod,
    }


def _cron_job(tool: str, component: str, spec: RunSpec, schedule: str, pod: Json) -> Json:
    job: Json = {"backoffLimit": spec.retry or 0, "template": pod}
    if spec.timeout:
        job["activeDeadlineSeconds"] = spec.timeout
    return {
        "schedule": kubernetes_schedule(schedule),
        "timeZone": TIME_ZONE,
        "concurrencyPolicy": "Forbid",
        "startingDeadlineSeconds": STARTING_DEADLINE_SECONDS,
        "successfulJobsHistoryLimit": 1,
        "failedJobsHistoryLimit": 1,
        "suspend": False,
        "jobTemplate": {"metadata": {"labels": labels_of(tool, component)}, "spec": job},
    }


def _service(tool: str, component: str, spec: RunSpec, port: int) -> Json:
    # By the port's name: the pods of the old version may listen on another number.
    protocol = (spec.port_protocol or "tcp").upper()
    return {
        "type": "ClusterIP",
        "selector": labels_of(tool, component),
        "ports": [{"name": PORT, "port": port, "protocol": protocol, "targetPort": PORT}],
    }


def _ingress(component: str, path: str, port: int, publish: Mapping[str, Any]) -> Json:
    backend = {"service": {"name": component, "port": {"name": PORT}}}
    paths = [{"path": path, "pathType": "Prefix", "backend": backend}]
    spec: Json = {"rules": [{"host": publish["host"], "http": {"paths": paths}}]}
    if "ingress_class_name" in publish:
        spec["ingressClassName"] = publish["ingress_class_name"]
    if "tls" in publish:
        spec["tls"] = publish["tls"]
    return spec


def _http_route(component: str, path: str, port: int, publish: Mapping[str, Any]) -> Json:
    rule = {
        "matches": [{"path": {"type": "PathPrefix", "value": path}}],
        "backendRefs": [{"name": component, "port": port}],
    }
    return {
        "hostnames": [publish["host"]],
        "parentRefs": publish["parent_refs"],
        "rules": [rule],
    }
