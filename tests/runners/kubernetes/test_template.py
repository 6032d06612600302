"""The operator's template: what is refused, and what is shipped."""

import pytest
from environs import Env, EnvError

from backends.runners.kubernetes.runner import KubernetesRunner
from backends.runners.kubernetes.template import SHIPPED, parse_template, read_template
from backends.templates import BadTemplate


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[", "it is not YAML"),
        ("command: perl", "command: Must be one of: argv, shell, launcher."),
        ("colour: red", "colour: Unknown field."),
        ("env: {A: b}", "env: Not a valid list."),
        ("env: [{name: A, value: '${tol}'}]", "env[0].value: there is no placeholder 'tol': did"),
        ("publish: {kind: Gateway, host: a}", "publish.kind: Must be one of: Ingress, HTTPRoute."),
        ("publish: {kind: Ingress}", "publish.host: Missing data for required field."),
        ("publish: {kind: HTTPRoute, host: a}", "publish.parentRefs: a HTTPRoute needs"),
        (
            "publish: {kind: HTTPRoute, host: a, parentRefs: [{}], ingressClassName: b}",
            "publish.ingressClassName: only Ingress has it",
        ),
        ("publish: {kind: Ingress, host: a, parentRefs: [{}]}", "publish.parentRefs: only HTTPR"),
        ("publish: {kind: Ingress, host: '${image}'}", "publish.host: there is no placeholder"),
        ("mounts: {some: {}}", "mounts.some.key: Must be one of: none, all."),
        ("podTemplate: {spec: {x: 2024-01-01}}", "podTemplate: it has something that is not JSON"),
        ("podTemplate: {status: {}}", "podTemplate.status: Unknown field."),
        ("minReadySeconds: -1", "minReadySeconds: Must be greater than or equal to 0"),
    ],
)
def test_what_cannot_be_used_is_told_by_path(text: str, said: str) -> None:
    with pytest.raises(BadTemplate) as caught:
        parse_template(text)
    assert str(caught.value).startswith(said)


def test_a_template_may_say_nothing() -> None:
    assert parse_template("").publish is None


@pytest.mark.parametrize("name", SHIPPED)
def test_what_is_shipped_can_be_used(name: str) -> None:
    assert read_template(name).container == {}


def test_toolforges_volumes_are_asked_for_by_label() -> None:
    assert read_template("toolforge").mounts["all"]["labels"] == {
        "toolforge.org/mount-storage": "all"
    }


async def test_a_bad_template_ends_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBERNETES_TEMPLATE", "nowhere.yaml")
    with pytest.raises(EnvError) as caught:
        await KubernetesRunner.from_env(Env()).open()
    assert str(caught.value).startswith("COMPONENTS_KUBERNETES_TEMPLATE: nowhere.yaml cannot be")


@pytest.mark.parametrize("name", ["KUBERNETES_CPU", "KUBERNETES_MEMORY", "RUN_TIMEOUT"])
def test_a_bad_setting_ends_the_start(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "much")
    with pytest.raises(EnvError):
        KubernetesRunner.from_env(Env())
