"""The operator's template: how a build request becomes a PipelineRun.

    image: registry.example.org/tool-${tool}/${component}:latest
    default_ref: HEAD              # the value of ${ref} if a configuration has none
    results: {commit: commit, digest: IMAGE_DIGEST}   # names of the pipeline's results
    versions:                      # more placeholders, selected by the configuration
      default: {builder: registry.example.org/builder:1}
      latest: {builder: registry.example.org/builder:2}
    pipelineRun: {spec: {...}}     # as in Tekton, with placeholders in its strings

Placeholders are substituted after the YAML is parsed, so a value is always part of one string.
`$${` is a literal `${`.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml
from marshmallow import Schema, ValidationError, fields, validate

from backends.builders.base import BuildRequest

SHIPPED = ("toolforge-buildpacks", "git-clone-buildah")
"""The names of the templates in this package."""

PLACEHOLDERS = ("repository", "ref", "tool", "component", "image")
_PLACEHOLDER = re.compile(r"\$(\$\{)|\$\{([^}]*)\}")


class BadTemplate(Exception):
    """A template is invalid; the message is one line with the path of the error."""


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
        return str(_filled(self.image, values.__getitem__, "image"))

    def run_for(self, request: BuildRequest) -> dict[str, Any]:
        """Return the metadata and spec of a request's PipelineRun, without name and namespace."""
        values = {**self._values(request), "image": self.image_of(request)}
        filled: dict[str, Any] = _filled(self.pipeline_run, values.__getitem__, "pipelineRun")
        return filled

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
    if not name:
        raise BadTemplate(f"it is required: a file, or {' or '.join(SHIPPED)}")
    try:
        if name in SHIPPED:
            folder = files("backends.builders.tekton") / "templates"
            text = (folder / f"{name}.yaml").read_text(encoding="utf-8")
        else:
            text = Path(name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        shipped = " and ".join(SHIPPED)
        raise BadTemplate(f"{name} cannot be read: {reason}; {shipped} are shipped") from None
    return parse_template(text)


def parse_template(text: str) -> Template:
    """Return the template in a YAML text. Raises `BadTemplate`."""
    try:
        template = Template(**_TemplateSchema().load(yaml.safe_load(text) or {}))
    except yaml.YAMLError as error:
        raise BadTemplate(f"it is not valid YAML: {' '.join(str(error).split())}") from None
    except ValidationError as error:
        raise BadTemplate(_first_problem(error.normalized_messages())) from None  # type: ignore[no-untyped-call]
    spec = template.pipeline_run.get("spec")
    if not isinstance(spec, dict) or not ({"pipelineRef", "pipelineSpec"} & spec.keys()):
        raise BadTemplate("pipelineRun.spec: it needs a pipelineRef or a pipelineSpec")
    more = {name for chosen in template.versions.values() for name in chosen}
    for name in more - template.versions.get("default", {}).keys():
        raise BadTemplate(f"versions.default: {name!r} is missing, but other versions have it")
    known = {*PLACEHOLDERS, *more}
    _filled(template.image, _known(known - {"image"}), "image")
    _filled(template.pipeline_run, _known(known), "pipelineRun")
    return template


def _known(names: set[str]) -> Callable[[str], str]:
    def value(name: str) -> str:
        if name in names:
            return ""
        near = get_close_matches(name, names, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(sorted(names))}"
        raise BadTemplate(f"there is no placeholder {name!r}: {hint}")

    return value


def _filled(template: Any, value: Callable[[str], str], path: str) -> Any:
    """Return a template with its placeholders substituted. Raises `BadTemplate` with the path."""
    if isinstance(template, Mapping):
        return {k: _filled(each, value, f"{path}.{k}") for k, each in template.items()}
    if isinstance(template, list):
        return [_filled(each, value, f"{path}[{n}]") for n, each in enumerate(template)]
    if not isinstance(template, str):
        return template
    try:
        return _PLACEHOLDER.sub(lambda found: found[1] or value(found[2]), template)
    except BadTemplate as error:
        raise BadTemplate(f"{path}: {error}") from None


def _first_problem(messages: Any, path: str = "") -> str:
    while isinstance(messages, dict):
        name, messages = next(iter(messages.items()))
        path = f"{path}.{name}".lstrip(".")
    return f"{path}: {messages[0] if isinstance(messages, list) else messages}"
