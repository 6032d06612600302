"""Deployments as stored documents, and back.

The stored form is an interface: a later version must read what an earlier one wrote, and an earlier
version must do no harm while a later one runs. So a document has the version of its form. An
instance preserves unknown fields when it writes a document. If the form, or an enum value, is
unknown to the instance, it shows what it can. Such a deployment counts as running while its
document is open, and only the instances that know its form change it.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from marshmallow import EXCLUDE, Schema, ValidationError, fields, post_dump, post_load

from backends.builders.base import BuildStatus
from backends.stores.base import Corrupt, Document, DocumentState, JsonObject
from components.engine.deployments.model import Build, Claim, Deployment, Doubt, Stop, StopReason

DEPLOYMENT = "deployment"
"""The kind of a deployment; its name is its id."""

FORM = 1
"""The form that this version writes. It is incremented where an earlier version would do harm."""


class _Stored(Schema):
    class Meta:
        # An earlier version ignores the fields that a later version added.
        unknown = EXCLUDE


class _StoredClaim(_Stored):
    by = fields.String(required=True)
    at = fields.AwareDateTime(required=True)
    # Version 0.1 had one timeout for all instances.
    until = fields.AwareDateTime(load_default=None, allow_none=True)

    @post_load
    def _claim(self, data: dict[str, Any], **_: Any) -> Claim:
        until = data["until"] or data["at"] + timedelta(minutes=1)
        return Claim(data["by"], data["at"], until)


class _StoredDoubt(_Stored):
    since = fields.AwareDateTime(required=True)
    settles = fields.AwareDateTime(required=True)

    @post_load
    def _doubt(self, data: dict[str, Any], **_: Any) -> Doubt:
        return Doubt(**data)


class _StoredStop(_Stored):
    reason = fields.Enum(StopReason, by_value=True, required=True)
    since = fields.AwareDateTime(required=True)
    message = fields.String(required=True)

    @post_load
    def _stop(self, data: dict[str, Any], **_: Any) -> Stop:
        return Stop(**data)


class _StoredBuild(_Stored):
    status = fields.Enum(BuildStatus, by_value=True, required=True)
    build_id = fields.String(data_key="build-id", required=True, allow_none=True)
    message = fields.String(required=True)
    image = fields.String(required=True, allow_none=True)
    digest = fields.String(required=True, allow_none=True)
    commit = fields.String(required=True, allow_none=True)
    started = fields.AwareDateTime(data_key="start-time", required=True, allow_none=True)
    ended = fields.AwareDateTime(data_key="end-time", required=True, allow_none=True)
    # Not in the documents of version 0.1.
    attempt = fields.Integer(load_default=0)
    claim = fields.Nested(_StoredClaim, load_default=None, allow_none=True)
    doubt = fields.Nested(_StoredDoubt, load_default=None, allow_none=True)
    stop = fields.Nested(_StoredStop, load_default=None, allow_none=True)
    seen = fields.AwareDateTime(data_key="seen-time", load_default=None, allow_none=True)
    reused = fields.String(data_key="reused-from", load_default=None, allow_none=True)
    lost = fields.Integer(load_default=0)
    unasked = fields.TimeDelta(
        data_key="unasked-seconds", serialization_type=float, load_default=timedelta()
    )

    @post_load
    def _build(self, data: dict[str, Any], **_: Any) -> Build:
        return Build(**data)


class _StoredDeployment(_Stored):
    form = fields.Integer(load_default=FORM)
    id = fields.String(data_key="deploy-id", required=True)
    created = fields.AwareDateTime(data_key="creation-time", required=True)
    cancel_requested = fields.Boolean(data_key="cancel-requested", required=True)
    builds = fields.Dict(keys=fields.String(), values=fields.Nested(_StoredBuild), required=True)
    configuration = fields.Dict(data_key="config", required=True)
    # Not in the documents of version 0.1.
    reason = fields.String(data_key="cancel-reason", load_default="")
    queued = fields.Boolean(load_default=False)
    admitted = fields.AwareDateTime(data_key="admitted-time", load_default=None, allow_none=True)
    supersedes = fields.Boolean(load_default=False)
    description = fields.String(load_default="")
    configured = fields.Boolean(load_default=False)
    ended = fields.AwareDateTime(data_key="ended-time", load_default=None, allow_none=True)

    @post_dump
    def _add_form(self, data: JsonObject, **_: Any) -> JsonObject:
        return {"form": FORM, **data}


_DEPLOYMENT_SCHEMA = _StoredDeployment()


def deployment_data(
    deployment: Deployment, replaced: Mapping[str, Any] | None = None
) -> JsonObject:
    """Return a deployment as a document's data.

    Fields of the `replaced` data that this version does not know are preserved.
    """
    data: JsonObject = _DEPLOYMENT_SCHEMA.dump(deployment)
    if replaced is None:
        return data
    builds = replaced["builds"]
    merged = {name: {**builds.get(name, {}), **build} for name, build in data["builds"].items()}
    return {**replaced, **data, "builds": merged}


def deployment_state(deployment: Deployment) -> DocumentState:
    """Return the state of a deployment's document: open until the deployment is settled."""
    return DocumentState.SEALED if deployment.is_settled else DocumentState.OPEN


def deployment_of(document: Document) -> Deployment:
    """Return the deployment in a document. Raises `Corrupt` where it is not one.

    `components.engine.deployments.reading` caches the result for each version.
    """
    try:
        data, newer = _as_known(document.data)
        loaded = _DEPLOYMENT_SCHEMA.load(data)
        newer = (loaded.pop("form") > FORM) or newer
        deployment = Deployment(
            tool=document.tool,
            newer=newer,
            held_open=newer and document.state is DocumentState.OPEN,
            **loaded,
        )
        if deployment.builds.keys() != deployment.sources.keys():
            raise ValidationError("builds and configuration have different components")
    except (ValidationError, KeyError, TypeError, AttributeError) as error:
        reason = f"is not a deployment: {error}"
        raise Corrupt(document.tool, document.kind, document.name, reason) from None
    return deployment


def _as_known(data: JsonObject) -> tuple[JsonObject, bool]:
    """Return data without enum values that this version does not know; whether it had any."""
    builds = {name: _build_as_known(build) for name, build in data["builds"].items()}
    if builds == data["builds"]:
        return data, False
    return {**data, "builds": builds}, True


def _build_as_known(build: JsonObject) -> JsonObject:
    status, stop = build.get("status"), build.get("stop")
    if isinstance(status, str) and status not in set(BuildStatus):
        message = f"a newer version of the service reports {status}"
        build = {**build, "status": BuildStatus.RUNNING.value, "message": message}
    if isinstance(stop, dict) and stop.get("reason") not in set(StopReason):
        build = {**build, "stop": {**stop, "reason": StopReason.CANCELLED.value}}
    return build


def is_cancelled(document: Document) -> bool:
    """Return whether a deployment's document says that it was cancelled, without parsing it."""
    return bool(document.data.get("cancel-requested"))
