"""The chart: valid for every Kubernetes that it supports, and strict about its values."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from helm_python.chart import Chart
from helm_python.errors import HelmError

from components.settings import PREFIX
from helm.check import CHART, VALUES, object_problems, problems, rendered

DOCUMENTED = Path(__file__).parents[2] / "docs/settings.md"


def test_the_chart_is_valid() -> None:
    assert problems() == []


def test_an_invalid_object_is_reported() -> None:
    (deployment,) = rendered({}, "Deployment")
    deployment["spec"]["replicas"] = "two"
    assert len(object_problems(deployment)) == 2
    (certificate,) = rendered({"tls": {"certificate": {"enabled": True}}}, "Certificate")
    del certificate["spec"]["secretName"]
    assert object_problems(certificate)


@pytest.mark.parametrize(
    ("values", "path"),
    [
        ({"replicas": "two"}, "/replicas"),
        ({"image": {"pullPolicy": "Sometimes"}}, "/image/pullPolicy"),
        ({"settings": {"deploymentsKept": 0}}, "/settings/deploymentsKept"),
        ({"settings": {"loglevel": "INFO"}}, "loglevel"),
        ({"tls": {"certificate": {"duration": "a year"}}}, "/tls/certificate/duration"),
        ({"rbac": {"namespaces": ["Tool_A"]}}, "/rbac/namespaces/0"),
        ({"replica": 2}, "replica"),
        ({"settings": {"toolforgeUrl": "api.example.org"}}, "/settings/toolforgeUrl"),
        ({"probePort": 8000}, "/probePort"),
        ({"tls": {"gatewaySubjects": [" "]}}, "/tls/gatewaySubjects/0"),
        ({"serviceAccount": {"name": "A B"}}, "/serviceAccount/name"),
        ({"extraEnv": [{"name": "A", "value": 1}]}, "/extraEnv/0/value"),
        ({"podLabels": {"app.kubernetes.io/name": "x"}}, "app.kubernetes.io/name"),
    ],
)
def test_an_invalid_value_is_rejected_with_its_path(values: dict[str, Any], path: str) -> None:
    with pytest.raises(HelmError) as caught:
        rendered(values)
    assert path.lstrip("/").replace("/", ".") in str(caught.value).replace("/", ".")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"probePort": 8443}, "probePort and service.port must differ"),
        ({"preStopSeconds": 20}, "must be at least 11 more than preStopSeconds"),
    ],
)
def test_conflicting_values_are_rejected(values: dict[str, Any], message: str) -> None:
    with pytest.raises(HelmError, match=message):
        rendered(values)


@pytest.mark.parametrize(
    "values",
    [
        {"serviceAccount": {"name": "123"}, "rbac": {"namespaces": ["123"]}},
        {"image": {"pullSecrets": ["123"]}, "tls": {"secretName": "true"}},
        {"priorityClassName": "yes"},
    ],
)
def test_a_string_that_looks_like_another_type_stays_a_string(values: dict[str, Any]) -> None:
    for each in rendered(values):
        assert object_problems(each) == []


def container(values: dict[str, Any] | None = None) -> dict[str, Any]:
    """The service's container."""
    (deployment,) = rendered(values or {}, "Deployment")
    (found,) = deployment["spec"]["template"]["spec"]["containers"]
    container: dict[str, Any] = found
    return container


def environment(values: dict[str, Any] | None = None) -> dict[str, str]:
    """The environment of the service's container."""
    return {each["name"]: each["value"] for each in container(values)["env"]}


def test_every_setting_of_the_service_has_a_value() -> None:
    section = DOCUMENTED.read_text()
    documented = set(re.findall(r"^\| `(COMPONENTS_\w+)` \|", section, flags=re.MULTILINE))
    values = {
        "rbac": {"namespaces": ["tool-a"]},
        "tls": {"gatewaySubjects": ["CN=gateway"]},
        "toolforge": {"secretName": "builds-client"},
    }
    # The local builder is for development and only supports the memory store.
    of_a_cluster = {each for each in documented if not each.startswith("COMPONENTS_LOCAL_")}
    assert environment(values).keys() == of_a_cluster


@pytest.mark.parametrize(
    ("values", "name", "value"),
    [
        ({"settings": {"deploymentsKept": 3}}, "DEPLOYMENTS_KEPT", "3"),
        ({"settings": {"trustPlaintext": True}}, "TRUST_PLAINTEXT", "true"),
        ({"settings": {"requestTimeout": 2.5}}, "REQUEST_TIMEOUT", "2.5"),
        ({"rbac": {"namespaces": ["tool-a", "tool-b"]}}, "NAMESPACES", "tool-a,tool-b"),
        ({"tls": {"gatewaySubjects": ["CN=a,O=b", "CN=c"]}}, "GATEWAY_SUBJECTS", "CN=a,O=b;CN=c"),
        ({"probePort": 9000}, "PROBE_PORT", "9000"),
        ({"preStopSeconds": 9, "terminationGracePeriodSeconds": 60}, "STOP_TIMEOUT", "50"),
    ],
)
def test_a_value_becomes_a_variable(values: dict[str, Any], name: str, value: str) -> None:
    assert environment(values)[f"{PREFIX}{name}"] == value


def test_the_service_runs_with_minimal_privileges() -> None:
    (deployment,) = rendered({}, "Deployment")
    pod = deployment["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"]
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    security = container()["securityContext"]
    assert security == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def test_the_probes_use_the_probe_port() -> None:
    found = container()
    assert found["livenessProbe"]["httpGet"] == {"path": "/healthz", "port": "probe"}
    assert found["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "probe"}


def test_the_permissions_are_five_verbs_on_secrets_and_its_own_leases() -> None:
    (role,) = rendered({}, "ClusterRole")
    verbs = ["get", "list", "create", "update", "delete"]
    assert role["rules"] == [{"apiGroups": [""], "resources": ["secrets"], "verbs": verbs}]
    (members,) = rendered({}, "Role")
    assert members["metadata"]["namespace"] == "components"
    verbs = ["list", "create", "patch", "delete"]
    leases = {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": verbs}
    assert members["rules"] == [leases]
    assert rendered({"settings": {"members": "single"}}, "Role") == []


BUILDS = [
    {
        "apiGroups": ["tekton.dev"],
        "resources": ["pipelineruns"],
        "verbs": ["get", "list", "create", "patch"],
    },
    {"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]},
    {"apiGroups": [""], "resources": ["pods/log"], "verbs": ["get"]},
]


def test_tekton_permissions_are_added_only_for_its_builder() -> None:
    roles = rendered({"settings": {"builder": "tekton"}}, "ClusterRole")
    assert [role["rules"] for role in roles][1:] == [BUILDS]
    in_one = {"settings": {"builder": "tekton", "tektonNamespace": "builds"}}
    role = next(each for each in rendered(in_one, "Role") if each["rules"] == BUILDS)
    assert (role["metadata"]["namespace"], role["rules"]) == ("builds", BUILDS)
    assert len(rendered(in_one, "ClusterRole")) == 1
    limited = {"settings": {"builder": "tekton"}, "rbac": {"namespaces": ["tool-a", "tool-b"]}}
    found = [r["metadata"]["namespace"] for r in rendered(limited, "Role") if r["rules"] == BUILDS]
    assert found == ["tool-a", "tool-b"]


def test_a_tekton_template_is_mounted_and_configured() -> None:
    values = {"tekton": {"template": "image: x"}}
    assert environment(values)["COMPONENTS_TEKTON_TEMPLATE"] == "/tekton/template.yaml"
    (mapping,) = rendered(values, "ConfigMap")
    assert mapping["data"] == {"template.yaml": "image: x"}


CHANGED = ["get", "list", "create", "patch", "delete"]
RUNS = [
    {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": CHANGED},
    {"apiGroups": ["batch"], "resources": ["cronjobs"], "verbs": CHANGED},
    {"apiGroups": [""], "resources": ["services"], "verbs": CHANGED},
    {"apiGroups": ["networking.k8s.io"], "resources": ["ingresses"], "verbs": CHANGED},
    {"apiGroups": ["gateway.networking.k8s.io"], "resources": ["httproutes"], "verbs": CHANGED},
    {"apiGroups": ["batch"], "resources": ["jobs"], "verbs": ["list", "create"]},
    {"apiGroups": ["apps"], "resources": ["replicasets"], "verbs": ["list"]},
    {"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]},
    {"apiGroups": [""], "resources": ["pods/log"], "verbs": ["get"]},
]


def test_running_adds_permissions_only_where_it_is_chosen() -> None:
    chosen = {"settings": {"runner": "kubernetes"}}
    assert [role["rules"] for role in rendered(chosen, "ClusterRole")][1:] == [RUNS]
    limited = chosen | {"rbac": {"namespaces": ["tool-a", "tool-b"]}}
    found = [r["metadata"]["namespace"] for r in rendered(limited, "Role") if r["rules"] == RUNS]
    assert found == ["tool-a", "tool-b"]


def test_a_template_of_what_runs_is_mounted_and_named() -> None:
    values = {"runs": {"template": "command: argv"}}
    assert environment(values)["COMPONENTS_KUBERNETES_TEMPLATE"] == "/runs/template.yaml"
    (mapping,) = rendered(values, "ConfigMap")
    assert mapping["data"] == {"template.yaml": "command: argv"}


def test_limited_to_namespaces_it_has_permissions_only_there() -> None:
    values = {"rbac": {"namespaces": ["tool-a", "tool-b"]}}
    assert rendered(values, "ClusterRole") == rendered(values, "ClusterRoleBinding") == []
    for kind in ("Role", "RoleBinding"):
        found = [each["metadata"]["namespace"] for each in rendered(values, kind)]
        assert found == ["components", "tool-a", "tool-b"]


def test_an_existing_service_account_must_be_named() -> None:
    with pytest.raises(HelmError, match=r"serviceAccount\.name is required"):
        rendered({"serviceAccount": {"create": False}})


def test_the_notes_warn_of_an_open_or_unreachable_api() -> None:
    with Chart.load(CHART) as chart:
        values = yaml.safe_load((CHART / "ci/minimal.yaml").read_text())
        values["tls"] = {"enabled": False}
        (notes,) = (
            text for name, text in chart.render(values).items() if name.endswith("NOTES.txt")
        )
    assert "only this pod itself can use the API" in notes
    assert "readOnlyPolicy is off" in notes


def test_there_are_values_files_to_test() -> None:
    assert len(VALUES) == 7


def test_an_upgrade_can_stop_all_instances_first() -> None:
    (usual,) = rendered({}, "Deployment")
    assert usual["spec"]["strategy"] == {"type": "RollingUpdate"}
    (once,) = rendered({"strategy": "Recreate"}, "Deployment")
    assert once["spec"]["strategy"] == {"type": "Recreate"}
