"""The operator's template: how a build request becomes a PipelineRun.

image: registry.example.org/tool-${tool}/${component}:latest
default_ref: HEAD              # what ${ref} is where a configuration has none
results: {commit: commit, digest: IMAGE_DIGEST}   # results of the pipeline, by what they are
versions:                      # more placeholders, by what a configuration asks for
  default: {builder: registry.example.org/builder:1}
  latest: {builder: registry.example.org/builder:2}
pipelineRun: {spec: {...}}     # as Tekton takes it, with placeholders in its strings
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from marshmallow import Schema, fields, validate

from backends.builders.base import BuildRequest
from backends.templates import BadTemplate, filled, loaded, template_text

SHIPPED = ("toolforge-buildpacks", "git-clone-buildah")
"""The names of the templates in this package."""

PLACEHOLDERS = ("repository", "ref", "tool", "component", "image")


@dataclass(frozen=True, slots=True)
class Template:
    """A parsed and validated template."""

    image: str
    pipeline_run: Mapping[str, Any]
    default_ref: str = ""
    results: Mapping[str, str] = field(default_factory=dict)
    versions: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def image_of(self, request: BuildRequest) -> str:
        """Return the image name of a request's build."""
        values = {**self._values(request), "image": ""}
        return str(filled(self.image, values, "image"))

    def run_for(self, request: BuildRequest) -> dict[str, Any]:
        """Return the metadata and spec of a request's PipelineRun, without name and namespace."""
        values = {**self._values(request), "image": self.image_of(request)}
        run: dict[str, Any] = filled(self.pipeline_run, values, "pipelineRun")
        return run

    def _values(self, request: BuildRequest) -> dict[str, str]:
        source = request.source
        chosen = "default"
        if source.use_latest_versions:
            chosen = "latest"
        elif source.use_deprecated_versions:
            chosen = "deprecated"
        default = self.versions.get("default", {})
        return {
            **default,
            **self.versions.get(chosen, {}),
            "repository": source.repository,
            "ref": source.ref or self.default_ref,
            "tool": request.tool,
            "component": request.component,
        }


_texts = fields.Dict(keys=fields.String(), values=fields.String())


class _TemplateSchema(Schema):
    image = fields.String(required=True, validate=validate.Length(min=1))
    default_ref = fields.String(load_default="")
    results = fields.Dict(
        keys=fields.String(validate=validate.OneOf(("commit", "digest", "image"))),
        values=fields.String(),
        load_default=dict,
    )
    versions = fields.Dict(
        keys=fields.String(validate=validate.OneOf(("default", "latest", "deprecated"))),
        values=_texts,
        load_default=dict,
    )
    pipeline_run = fields.Dict(data_key="pipelineRun", required=True)


def read_template(name: str) -> Template:
    """Return the template from a file, or one of `SHIPPED` by its name.

    Raises `BadTemplate`.
    """
    return parse_template(template_text(name, "backends.builders.tekton", SHIPPED))


def parse_template(text: str) -> Template:
    """Return the template in a YAML text. Raises `BadTemplate`."""
    template = Template(**loaded(text, _TemplateSchema()))
    spec = template.pipeline_run.get("spec")
    if not isinstance(spec, dict) or not ({"pipelineRef", "pipelineSpec"} & spec.keys()):
        raise BadTemplate("pipelineRun.spec: it needs a pipelineRef or a pipelineSpec")
    more = {name for chosen in template.versions.values() for name in chosen}
    for name in more - template.versions.get("default", {}).keys():
        raise BadTemplate(f"versions.default: {name!r} is missing, which other versions have")
    known = dict.fromkeys((*PLACEHOLDERS, *more), "")
    filled(template.image, {k: v for k, v in known.items() if k != "image"}, "image")
    filled(template.pipeline_run, known, "pipelineRun")
    return template
