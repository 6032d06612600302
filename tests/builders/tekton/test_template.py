"""The operator's template: substitution, validation, and the shipped templates."""

from typing import Any

import pytest
from environs import Env, EnvError

from backends.builders.tekton.builder import TektonBuilder
from backends.builders.tekton.template import SHIPPED, parse_template, read_template
from backends.templates import BadTemplate
from tests.factories import TOOL, build_request

MINIMAL = """\
image: registry.example.org/${tool}/${component}
pipelineRun:
  metadata: {labels: {team: a}}
  spec: {pipelineRef: {name: build}, params: [{name: REF, value: "at ${ref}"}]}
"""


def params(template: str, **source: Any) -> dict[str, Any]:
    """The parameters that a shipped template renders for a request."""
    run = read_template(template).run_for(build_request(**source))
    return {each["name"]: each["value"] for each in run["spec"]["params"]}


def test_placeholders_are_substituted_in_strings() -> None:
    template = parse_template(MINIMAL)
    assert template.image_of(build_request()) == f"registry.example.org/{TOOL}/web"
    run = template.run_for(build_request(ref="main"))
    assert run["spec"]["params"] == [{"name": "REF", "value": "at main"}]


@pytest.mark.parametrize(
    "ref", ['x"}, {name: OTHER, value: "y', "x\n- name: OTHER", "${repository}", "$(params.x)"]
)
def test_a_substituted_value_stays_one_string(ref: str) -> None:
    run = parse_template(MINIMAL).run_for(build_request(ref=ref))
    assert run["spec"]["params"] == [{"name": "REF", "value": f"at {ref}"}]


def test_a_dollar_can_be_escaped() -> None:
    template = parse_template(MINIMAL.replace("at ${ref}", "$${HOME} $(params.x)"))
    run = template.run_for(build_request())
    assert run["spec"]["params"][0]["value"] == "${HOME} $(params.x)"


def test_toolforges_pipeline_gets_its_parameters_and_workspaces() -> None:
    assert params("toolforge-buildpacks", ref="v1") == {
        "BUILDER_IMAGE": "registry.example.org/heroku-builder:22",
        "RUN_IMAGE": "registry.example.org/heroku-run:22",
        "APP_IMAGE": f"registry.example.org/tool-{TOOL}/web:latest",
        "SOURCE_URL": "https://git.example.org/mytool",
        "SOURCE_REFERENCE": "v1",
        "UNRESOLVED_SOURCE_REFERENCE": "v1",
        "ENV_VARS": [],
    }
    run = read_template("toolforge-buildpacks").run_for(build_request())
    workspaces = [each["name"] for each in run["spec"]["workspaces"]]
    assert workspaces == ["source-ws", "cache-ws", "aptbuildpack-ws"]


def test_without_a_ref_the_default_is_used() -> None:
    assert params("toolforge-buildpacks")["SOURCE_REFERENCE"] == "HEAD"
    assert params("git-clone-buildah")["ref"] == ""


@pytest.mark.parametrize(
    ("asked", "image"),
    [({"use_latest_versions": True}, "24"), ({"use_deprecated_versions": True}, "20"), ({}, "22")],
)
def test_versions_are_chosen_by_the_configuration(asked: dict[str, bool], image: str) -> None:
    assert params("toolforge-buildpacks", **asked)["BUILDER_IMAGE"].endswith(f":{image}")


def test_every_parameter_of_the_catalogues_pipeline_is_declared() -> None:
    spec = read_template("git-clone-buildah").run_for(build_request())["spec"]
    declared = {each["name"] for each in spec["pipelineSpec"]["params"]}
    assert declared == params("git-clone-buildah").keys()
    results = {each["name"] for each in spec["pipelineSpec"]["results"]}
    assert results == set(read_template("git-clone-buildah").results.values())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "image: Missing data for required field."),
        ("[", "it is not valid YAML"),
        ("a: 1", "image: Missing data"),
        (MINIMAL + "imgae: x\n", "imgae: Unknown field."),
        (MINIMAL + "results: {comit: x}\n", "results.comit.key: Must be one of"),
        (MINIMAL.replace("${ref}", "${reff}"), r"pipelineRun.spec.params\[0\].value: .*'ref'"),
        (MINIMAL.replace("pipelineRef", "pipeline"), "pipelineRun.spec: it needs a pipelineRef"),
        (MINIMAL.replace("${tool}", "${image}"), "image: there is no placeholder 'image'"),
        (MINIMAL + "versions: {latest: {b: x}}\n", "versions.default: 'b' is missing"),
    ],
)
def test_an_error_in_a_template_is_reported_by_path(text: str, message: str) -> None:
    with pytest.raises(BadTemplate, match=message):
        parse_template(text)


def test_without_a_template_the_shipped_ones_are_named() -> None:
    with pytest.raises(BadTemplate, match="it is required: a file, or toolforge-buildpacks"):
        read_template("")


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_templates_are_valid(name: str) -> None:
    assert read_template(name).image


async def test_a_missing_template_stops_the_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COMPONENTS_TEKTON_TEMPLATE", "/nowhere/template.yaml")
    builder = TektonBuilder.from_env(Env(prefix="COMPONENTS_"))
    with pytest.raises(EnvError, match=r"COMPONENTS_TEKTON_TEMPLATE: /nowhere/template\.yaml"):
        await builder.open()
