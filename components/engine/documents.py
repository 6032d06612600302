"""Deployments as stored documents, and back.

The stored form is an interface too: a later version must read what an earlier one has written.
"""

from typing import Any

from marshmallow import EXCLUDE, Schema, ValidationError, fields, post_load

from backends.builders.base import BuildStatus
from backends.stores.base import Corrupt, Document, DocumentState, JsonObject
from components.engine.model import Build, Claim, Deployment, Stop, StopReason

DEPLOYMENT = "deployment"
"""The kind of a deployment; its name is its id."""


class _Stored(Schema):
    class Meta:
        # What a later version has added does not stop an earlier one.
        unknown = EXCLUDE


class _StoredClaim(_Stored):
    by = fields.String(required=True)
    at = fields.AwareDateTime(required=True)

    @post_load
    def _claim(self, data: dict[str, Any], **_: Any) -> Claim:
        return Claim(**data)


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
    uncertain = fields.AwareDateTime(data_key="uncertain-since", load_default=None, allow_none=True)
    stop = fields.Nested(_StoredStop, load_default=None, allow_none=True)
    seen = fields.AwareDateTime(data_key="seen-time", load_default=None, allow_none=True)
    reused = fields.String(data_key="reused-from", load_default=None, allow_none=True)

    @post_load
    def _build(self, data: dict[str, Any], **_: Any) -> Build:
        return Build(**data)


class _StoredDeployment(_Stored):
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


_DEPLOYMENT_SCHEMA = _StoredDeployment()


def deployment_data(deployment: Deployment) -> JsonObject:
    """Return a deployment as a document's data."""
    data: JsonObject = _DEPLOYMENT_SCHEMA.dump(deployment)
    return data


def deployment_state(deployment: Deployment) -> DocumentState:
    """Return the state that a deployment's document has: open until the deployment is final."""
    return DocumentState.SEALED if deployment.status.is_final else DocumentState.OPEN


def deployment_of(document: Document) -> Deployment:
    """Return the deployment in a document. Raises `Corrupt` where it holds something else.

    `components.engine.reading` does so once for each version.
    """
    try:
        deployment = Deployment(tool=document.tool, **_DEPLOYMENT_SCHEMA.load(document.data))
        if deployment.builds.keys() != deployment.sources.keys():
            raise ValidationError("builds and configuration name different components")
    except (ValidationError, KeyError, TypeError, AttributeError) as error:
        reason = f"is not a deployment: {error}"
        raise Corrupt(document.tool, document.kind, document.name, reason) from None
    return deployment


def is_cancelled(document: Document) -> bool:
    """Return whether a deployment's document says that it was cancelled, without reading it all."""
    return bool(document.data.get("cancel-requested"))
