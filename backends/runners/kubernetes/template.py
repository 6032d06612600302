"""The operator's template: what pods are like, and how a component is published.

    command: shell                 # argv, shell, or launcher: that of buildpacks
    env: [{name: TOOL, value: "${tool}"}]
    envFrom: [{secretRef: {name: environment, optional: true}}]
    container: {imagePullPolicy: IfNotPresent}          # what else a container has
    mounts:                        # by what a configuration has as `mount`, which is none without
      all: {labels: {}, volumes: [...], volumeMounts: [...]}
    imagePullSecrets: [{name: registry}]
    minReadySeconds: 5             # how long one that cannot be asked must run to be ready
    publish:
      kind: Ingress                # or HTTPRoute
      host: ${tool}.example.org
      scheme: https                # of the url that people are told
      annotations: {}
      ingressClassName: nginx      # of an Ingress, like tls
      parentRefs: [{name: gateway, namespace: gateways}]    # of an HTTPRoute
    podTemplate: {metadata: {...}, spec: {...}}          # anything else of a pod

Strings may have the placeholders `${tool}`, `${component}` and `${namespace}`.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from backends.runners.kubernetes.kinds import HTTP_ROUTE, INGRESS, PUBLISHED, Json
from backends.templates import BadTemplate, filled, loaded, template_text

SHIPPED = ("plain", "toolforge")
"""The names of the templates that this package brings."""

PLACEHOLDERS = ("tool", "component", "namespace")


class Command(StrEnum):
    """How the text of a command becomes the arguments of a container."""

    ARGV = "argv"
    SHELL = "shell"
    LAUNCHER = "launcher"


@dataclass(frozen=True, slots=True)
class Template:
    """A template that was read and checked. What is in mappings still has its placeholders."""

    command: Command
    container: Mapping[str, Any]
    pod: Mapping[str, Any]
    mounts: Mapping[str, Mapping[str, Any]]
    publish: Mapping[str, Any] | None
    min_ready_seconds: int

    def of(self, part: Any, tool: str, component: str, namespace: str) -> Any:
        """Return a part of this template for one component."""
        return filled(part, {"tool": tool, "component": component, "namespace": namespace})


_objects = fields.List(fields.Dict(keys=fields.String()))
_strings = fields.Dict(keys=fields.String(), values=fields.String())


class _Mount(Schema):
    labels = _strings
    volumes = _objects
    volume_mounts = fields.List(fields.Dict(keys=fields.String()), data_key="volumeMounts")


class _Publish(Schema):
    kind = fields.String(required=True, validate=validate.OneOf(tuple(PUBLISHED)))
    host = fields.String(required=True, validate=validate.Length(min=1))
    scheme = fields.String(load_default="https", validate=validate.OneOf(("http", "https")))
    annotations = fields.Dict(keys=fields.String(), values=fields.String(), load_default=dict)
    ingress_class_name = fields.String(data_key="ingressClassName")
    tls = _objects
    parent_refs = fields.List(fields.Dict(keys=fields.String()), data_key="parentRefs")

    @validates_schema
    def _check_kind(self, data: Any, **_: Any) -> None:
        of_kind = {
            "ingress_class_name": INGRESS,
            "tls": INGRESS,
            "parent_refs": HTTP_ROUTE,
        }
        for name, kind in of_kind.items():
            if name in data and data["kind"] != kind.name:
                raise ValidationError(f"only {kind} has it", self.fields[name].data_key or name)
        if data["kind"] == HTTP_ROUTE.name and not data.get("parent_refs"):
            raise ValidationError("a HTTPRoute needs the Gateways that it is for", "parentRefs")


class _PodMetadata(Schema):
    labels = _strings
    annotations = _strings


class _PodTemplate(Schema):
    metadata = fields.Nested(_PodMetadata)
    spec = fields.Dict(keys=fields.String())


class _TemplateSchema(Schema):
    command = fields.Enum(Command, by_value=True, load_default=Command.SHELL)
    env = _objects
    env_from = fields.List(fields.Dict(keys=fields.String()), data_key="envFrom")
    container = fields.Dict(keys=fields.String(), load_default=dict)
    mounts = fields.Dict(
        keys=fields.String(validate=validate.OneOf(("none", "all"))),
        values=fields.Nested(_Mount),
        load_default=dict,
    )
    image_pull_secrets = fields.List(fields.Dict(keys=fields.String()), data_key="imagePullSecrets")
    min_ready_seconds = fields.Integer(
        data_key="minReadySeconds", strict=True, load_default=5, validate=validate.Range(0, 600)
    )
    publish = fields.Nested(_Publish, load_default=None, allow_none=True)
    pod_template = fields.Nested(_PodTemplate, data_key="podTemplate", load_default=dict)


def read_template(name: str) -> Template:
    """Return the template of a file, or of that name if it is one of `SHIPPED`.

    Raises `BadTemplate`.
    """
    return parse_template(template_text(name, "backends.runners.kubernetes", SHIPPED))


def parse_template(text: str) -> Template:
    """Return the template in a YAML text. Raises `BadTemplate`."""
    found = loaded(text, _TemplateSchema())
    _check_strings(found)
    pod_spec = dict(found["pod_template"].get("spec") or {})
    if secrets := found.get("image_pull_secrets"):
        pod_spec["imagePullSecrets"] = [*(pod_spec.get("imagePullSecrets") or ()), *secrets]
    given = {"env": found.get("env"), "envFrom": found.get("env_from")}
    return Template(
        command=found["command"],
        container={**found["container"], **{name: each for name, each in given.items() if each}},
        pod={"metadata": found["pod_template"].get("metadata") or {}, "spec": pod_spec},
        mounts=found["mounts"],
        publish=found["publish"],
        min_ready_seconds=found["min_ready_seconds"],
    )


def _check_strings(found: Json) -> None:
    """Raise `BadTemplate` for what cannot be filled in, or be sent as JSON."""
    fields_of = _TemplateSchema().fields
    empty = dict.fromkeys(PLACEHOLDERS, "")
    for name, part in found.items():
        key = fields_of[name].data_key or name
        filled(part, empty, key)
        try:
            json.dumps(part, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise BadTemplate(f"{key}: it has something that is not JSON: {error}") from None
