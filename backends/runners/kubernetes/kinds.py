"""The kinds of object that there are for a component, their names, and what marks them as ours."""

from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]

MANAGER = "components-api"
RESTARTER = "components-api-restart"
"""The field manager of a restart: what it sets stays where the other applies anew."""

MANAGED_BY = "app.kubernetes.io/managed-by"
NAME = "app.kubernetes.io/name"
PART_OF = "app.kubernetes.io/part-of"
RESTARTED_AT = "kubectl.kubernetes.io/restartedAt"


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of object, as the API server calls it."""

    name: str
    api_version: str
    plural: str

    def __str__(self) -> str:
        return self.name

    def path(self, namespace: str, name: str = "") -> str:
        """Return the path of the objects of this kind in a namespace, or of one of them."""
        root = "/api" if "/" not in self.api_version else "/apis"
        base = f"{root}/{self.api_version}/namespaces/{namespace}/{self.plural}"
        return f"{base}/{name}" if name else base


DEPLOYMENT = Kind("Deployment", "apps/v1", "deployments")
CRON_JOB = Kind("CronJob", "batch/v1", "cronjobs")
SERVICE = Kind("Service", "v1", "services")
INGRESS = Kind("Ingress", "networking.k8s.io/v1", "ingresses")
HTTP_ROUTE = Kind("HTTPRoute", "gateway.networking.k8s.io/v1", "httproutes")
REPLICA_SET = Kind("ReplicaSet", "apps/v1", "replicasets")
POD = Kind("Pod", "v1", "pods")
JOB = Kind("Job", "batch/v1", "jobs")

WORKLOADS = (DEPLOYMENT, CRON_JOB)
PUBLISHED = {kind.name: kind for kind in (INGRESS, HTTP_ROUTE)}


def labels_of(tool: str, component: str) -> dict[str, str]:
    """Return the labels of a component's objects and pods. They never change."""
    return {MANAGED_BY: MANAGER, NAME: component, PART_OF: tool}


def selector_of(tool: str, component: str = "") -> str:
    """Return the label selector of a tool's objects, or of those of one component."""
    labels = labels_of(tool, component)
    return ",".join(f"{key}={value}" for key, value in labels.items() if value)


def is_ours(found: Json, tool: str) -> bool:
    """Whether this service made an object, for this tool."""
    metadata = found["metadata"]
    return bool(labels_of(tool, metadata["name"]).items() <= (metadata.get("labels") or {}).items())
