"""What is applied for a component, by its run part."""

import json

import kubernetes_validate
import pytest

from backends.runners.base import Wanted
from backends.runners.kubernetes.kinds import (
    CRON_JOB,
    DEPLOYMENT,
    HTTP_ROUTE,
    INGRESS,
    SERVICE,
    Json,
    Kind,
)
from backends.runners.kubernetes.objects import URL, object_of
from tests.factories import TOOL
from tests.runners.kubernetes.making import contents, wanted

ROUTE = (
    'publish: {kind: HTTPRoute, host: "${tool}.example.org", parentRefs: [{name: "${namespace}"}]}'
)
EVERYTHING = """
command: launcher
env: [{name: TOOL, value: "${tool}"}]
envFrom: [{secretRef: {name: "${component}-env", optional: true}}]
container: {imagePullPolicy: IfNotPresent, volumeMounts: [{name: own, mountPath: /own}]}
mounts:
  all:
    labels: {mount: all}
    volumes: [{name: shared, persistentVolumeClaim: {claimName: "${namespace}"}}]
    volumeMounts: [{name: shared, mountPath: /shared}]
imagePullSecrets: [{name: registry}]
publish:
  kind: Ingress
  host: "${component}.${tool}.example.org"
  scheme: http
  annotations: {note: "${tool}"}
  ingressClassName: nginx
  tls: [{hosts: ["${tool}.example.org"]}]
podTemplate:
  metadata: {labels: {team: a}, annotations: {note: b}}
  spec:
    securityContext: {runAsUser: 1000}
    volumes: [{name: own, emptyDir: {}}]
    containers: [{name: helper, image: registry.example.org/helper:1}]
"""


def pod_of(state: Wanted, template: str = "{}") -> Json:
    found = contents(state, template)
    if CRON_JOB in found:
        return found[CRON_JOB]["spec"]["jobTemplate"]["spec"]["template"]  # type: ignore[no-any-return]
    return found[DEPLOYMENT]["spec"]["template"]  # type: ignore[no-any-return]


def container_of(state: Wanted, template: str = "{}") -> Json:
    return pod_of(state, template)["spec"]["containers"][0]  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("state", "kinds"),
    [
        (wanted(), [DEPLOYMENT]),
        (wanted(port=8000), [DEPLOYMENT, SERVICE]),
        (wanted(port=8000, publish="/"), [DEPLOYMENT, SERVICE, INGRESS]),
        (wanted(schedule="@hourly"), [CRON_JOB]),
    ],
)
def test_a_component_has_the_objects_that_it_needs(state: Wanted, kinds: list[Kind]) -> None:
    assert list(contents(state)) == kinds


def test_the_operator_says_what_publishes() -> None:
    found = contents(wanted(port=8000, publish="/"), ROUTE)
    assert list(found) == [DEPLOYMENT, SERVICE, HTTP_ROUTE]
    assert found[HTTP_ROUTE]["spec"] == {
        "hostnames": [f"{TOOL}.example.org"],
        "parentRefs": [{"name": f"tool-{TOOL}"}],
        "rules": [
            {
                "matches": [{"path": {"type": "PathPrefix", "value": "/"}}],
                "backendRefs": [{"name": "web", "port": 8000}],
            }
        ],
    }


@pytest.mark.parametrize("template", ["{}", EVERYTHING])
@pytest.mark.parametrize(
    "state",
    [
        wanted("2", port=8000, publish="/", health_check_http="/health", replicas=3, mount="all"),
        wanted(port=53, port_protocol="udp", health_check_script="true"),
        wanted(schedule="*/5 * * * *", timeout=60, retry=3, cpu="2", memory="1Gi"),
    ],
)
def test_the_objects_are_what_kubernetes_takes(state: Wanted, template: str) -> None:
    for kind, content in contents(state, template).items():
        made = object_of(kind, TOOL, "web", content, {"note": "x"})
        kubernetes_validate.validate(json.loads(json.dumps(made)), "1.34", strict=True)


def test_a_rollout_keeps_what_serves() -> None:
    spec = contents(wanted(replicas=3), run_timeout=120)[DEPLOYMENT]["spec"]
    assert spec["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}
    assert (spec["replicas"], spec["progressDeadlineSeconds"]) == (3, 120)
    assert spec["revisionHistoryLimit"] == 2


def test_a_deadline_is_longer_than_what_it_waits_for() -> None:
    spec = contents(wanted(), "minReadySeconds: 10", run_timeout=5)[DEPLOYMENT]["spec"]
    assert spec["progressDeadlineSeconds"] > spec["minReadySeconds"] == 10


def test_a_service_finds_the_port_of_each_version_by_its_name() -> None:
    (port,) = contents(wanted(port=8000))[SERVICE]["spec"]["ports"]
    assert (port["port"], port["targetPort"], port["protocol"]) == (8000, "main", "TCP")
    (inside,) = container_of(wanted(port=8000))["ports"]
    assert (inside["name"], inside["containerPort"]) == ("main", 8000)


def test_what_is_published_has_a_url() -> None:
    content = contents(wanted(port=8000, publish="/"), EVERYTHING)[INGRESS]
    assert content["metadata"]["annotations"] == {
        "note": TOOL,
        URL: f"http://web.{TOOL}.example.org/",
    }
    assert content["spec"]["ingressClassName"] == "nginx"
    assert content["spec"]["tls"] == [{"hosts": [f"{TOOL}.example.org"]}]


def test_a_scheduled_one_never_overlaps_and_never_stops_for_good() -> None:
    spec = contents(wanted(schedule="0 3 * * 7", timeout=60, retry=3))[CRON_JOB]["spec"]
    assert (spec["schedule"], spec["timeZone"]) == ("0 3 * * 0", "Etc/UTC")
    assert spec["concurrencyPolicy"] == "Forbid"
    assert spec["startingDeadlineSeconds"] == 300
    job = spec["jobTemplate"]["spec"]
    assert (job["activeDeadlineSeconds"], job["backoffLimit"]) == (60, 3)
    assert job["template"]["spec"]["restartPolicy"] == "Never"


def test_a_run_without_a_timeout_may_take_any_time() -> None:
    job = contents(wanted(schedule="@daily", timeout=0))[CRON_JOB]["spec"]["jobTemplate"]["spec"]
    assert "activeDeadlineSeconds" not in job
    assert job["backoffLimit"] == 0


@pytest.mark.parametrize("schedule", [None, "@daily"])
def test_pods_are_restricted(schedule: str | None) -> None:
    spec = pod_of(wanted(schedule=schedule))["spec"]
    assert spec["automountServiceAccountToken"] is False
    assert spec["enableServiceLinks"] is False
    assert spec["securityContext"] == {
        "runAsNonRoot": True,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    assert spec["containers"][0]["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
    }


def test_a_template_adds_to_a_pod_and_takes_nothing_of_it_away() -> None:
    loose = (
        "podTemplate: {spec: {enableServiceLinks: true, securityContext: {runAsNonRoot: false}}}"
    )
    spec = pod_of(wanted(), loose)["spec"]
    assert spec["enableServiceLinks"] is False
    assert spec["securityContext"]["runAsNonRoot"] is True
    pod = pod_of(wanted(mount="all"), EVERYTHING)
    assert pod["metadata"]["labels"]["team"] == "a"
    assert pod["metadata"]["labels"]["mount"] == "all"
    assert pod["metadata"]["annotations"] == {"note": "b"}
    assert pod["spec"]["securityContext"]["runAsUser"] == 1000
    assert pod["spec"]["imagePullSecrets"] == [{"name": "registry"}]
    assert [each["name"] for each in pod["spec"]["containers"]] == ["web", "helper"]
    assert [each["name"] for each in pod["spec"]["volumes"]] == ["own", "shared"]
    container = pod["spec"]["containers"][0]
    assert container["env"] == [{"name": "TOOL", "value": TOOL}]
    assert container["envFrom"][0]["secretRef"]["name"] == "web-env"
    assert [each["name"] for each in container["volumeMounts"]] == ["own", "shared"]


def test_without_mount_nothing_is_mounted() -> None:
    spec = pod_of(wanted(), EVERYTHING)["spec"]
    assert [each["name"] for each in spec["volumes"]] == ["own"]


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("argv", ["serve", "--name", "two words"]),
        ("shell", ["/bin/sh", "-c", "serve --name 'two words'"]),
        ("launcher", ["launcher", "serve --name 'two words'"]),
    ],
)
def test_a_command_becomes_arguments_as_the_template_says(command: str, words: list[str]) -> None:
    state = wanted(
        command="serve --name 'two words'", health_check_script="serve --name 'two words'"
    )
    container = container_of(state, f"command: {command}")
    assert container["command"] == words
    assert container["readinessProbe"]["exec"]["command"] == words


def test_nothing_in_a_command_is_a_variable_of_kubernetes() -> None:
    container = container_of(wanted(command="echo $$ $(HOME) $HOME"))
    assert container["command"][-1] == "echo $$$$ $$(HOME) $$HOME"


def test_what_a_configuration_says_is_no_placeholder() -> None:
    container = container_of(wanted(command="echo ${tool}"), EVERYTHING)
    assert container["command"] == ["launcher", "echo $${tool}"]


@pytest.mark.parametrize(
    ("state", "probes"),
    [
        (wanted(), {}),
        (wanted(port=8000), {"startupProbe": "tcpSocket", "readinessProbe": "tcpSocket"}),
        (wanted(port=53, port_protocol="udp"), {}),
        (
            wanted(port=8000, health_check_http="/"),
            dict.fromkeys(("startupProbe", "readinessProbe", "livenessProbe"), "httpGet"),
        ),
        (
            wanted(port=8000, health_check_script="true"),
            {"startupProbe": "exec", "readinessProbe": "exec"},
        ),
    ],
)
def test_health_checks_are_probes(state: Wanted, probes: dict[str, str]) -> None:
    container = container_of(state)
    found = {name: next(iter(each)) for name, each in container.items() if name.endswith("Probe")}
    assert found == probes
    ready = contents(state, "minReadySeconds: 7")[DEPLOYMENT]["spec"]["minReadySeconds"]
    assert ready == (0 if probes else 7)


def test_requests_and_limits_are_the_configurations_or_the_settings() -> None:
    state = wanted(cpu="2")
    spec = contents(state, cpu="100m", memory="64Mi")[DEPLOYMENT]["spec"]["template"]["spec"]
    amounts = {"cpu": "2", "memory": "64Mi"}
    assert spec["containers"][0]["resources"] == {"requests": amounts, "limits": amounts}


def test_only_a_revision_changes_a_pod_that_is_the_same_otherwise() -> None:
    assert pod_of(wanted()) == pod_of(wanted())
    assert "annotations" not in pod_of(wanted())["metadata"]
    assert pod_of(wanted("2"))["metadata"]["annotations"] == {"components-api/revision": "2"}
