"""Deployments as stored documents, and back.

The stored form is an interface too: a later version must read what an earlier one has written, and
beside a later one an earlier one must do no harm. So a document says the version of its form. What
an instance does not know of a document it keeps when it writes it; a form, or a word, that is newer
than it knows is shown as far as it can be, counts as under way while the document is open, and is
left to the instances that know it.
"""

from collections.abc import Mapping
from typing import Any

from marshmallow import ValidationError, fields, post_dump

from backends.status import Status
from backends.stores.base import Corrupt, Document, DocumentState, JsonObject
from components.engine.deployments.model import Deployment, OnFailure
from components.engine.deployments.stored_steps import Stored, StoredBuild, StoredRun
from components.engine.runs.model import RunAction
from components.engine.steps.model import StopReason

DEPLOYMENT = "deployment"
"""The kind of a deployment; its name is its id."""

FORM = 2
"""The newest form that this version writes. It grows where an earlier version would do harm."""

FORM_WITHOUT_RUNS = 1
"""The form of a deployment that ends with its builds: it is as earlier versions have it."""

_OF_RUNS = ("runs", "begun-time", "selected", "on-failure")


class _StoredDeployment(Stored):
    form = fields.Integer(load_default=FORM_WITHOUT_RUNS)
    id = fields.String(data_key="deploy-id", required=True)
    created = fields.AwareDateTime(data_key="creation-time", required=True)
    cancel_requested = fields.Boolean(data_key="cancel-requested", required=True)
    builds = fields.Dict(keys=fields.String(), values=fields.Nested(StoredBuild), required=True)
    configuration = fields.Dict(data_key="config", required=True)
    # Not in the documents of version 0.1.
    reason = fields.String(data_key="cancel-reason", load_default="")
    queued = fields.Boolean(load_default=False)
    admitted = fields.AwareDateTime(data_key="admitted-time", load_default=None, allow_none=True)
    supersedes = fields.Boolean(load_default=False)
    description = fields.String(load_default="")
    configured = fields.Boolean(load_default=False)
    ended = fields.AwareDateTime(data_key="ended-time", load_default=None, allow_none=True)
    force_build = fields.Boolean(data_key="force-build", load_default=False)
    force_run = fields.Boolean(data_key="force-run", load_default=False)

    # Not in form 1.
    runs = fields.Dict(keys=fields.String(), values=fields.Nested(StoredRun), load_default=dict)
    begun = fields.AwareDateTime(data_key="begun-time", load_default=None, allow_none=True)
    selected = fields.Boolean(load_default=False)
    on_failure = fields.Enum(
        OnFailure, by_value=True, data_key="on-failure", load_default=OnFailure.PUT_BACK
    )

    @post_dump
    def _say_form(self, data: JsonObject, **_: Any) -> JsonObject:
        if data["runs"]:
            return {"form": FORM, **data}
        built = {name: value for name, value in data.items() if name not in _OF_RUNS}
        return {"form": FORM_WITHOUT_RUNS, **built}


_DEPLOYMENT_SCHEMA = _StoredDeployment()


def deployment_data(
    deployment: Deployment, replaced: Mapping[str, Any] | None = None
) -> JsonObject:
    """Return a deployment as a document's data.

    What the data that are `replaced` have, and this version does not know, stays.
    """
    data: JsonObject = _DEPLOYMENT_SCHEMA.dump(deployment)
    if replaced is None:
        return data
    kept: JsonObject = {
        kind: {
            name: {**replaced.get(kind, {}).get(name, {}), **step}
            for name, step in data[kind].items()
        }
        for kind in ("builds", "runs")
        if kind in data
    }
    return {**replaced, **data, **kept}


def deployment_state(deployment: Deployment) -> DocumentState:
    """Return the state that a deployment's document has: open until the deployment is settled."""
    return DocumentState.SEALED if deployment.is_settled else DocumentState.OPEN


def deployment_of(document: Document) -> Deployment:
    """Return the deployment in a document. Raises `Corrupt` where it holds something else.

    `components.engine.deployments.reading` does so once for each version.
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
            raise ValidationError("builds and configuration name different components")
    except (ValidationError, KeyError, TypeError, AttributeError) as error:
        reason = f"is not a deployment: {error}"
        raise Corrupt(document.tool, document.kind, document.name, reason) from None
    return deployment


def _as_known(data: JsonObject) -> tuple[JsonObject, bool]:
    """Return data without words that this version does not know, and whether there were any."""
    known: JsonObject = {
        kind: {name: _step_as_known(step) for name, step in data[kind].items()}
        for kind in ("builds", "runs")
        if kind in data
    }
    on_failure = data.get("on-failure")
    if isinstance(on_failure, str) and on_failure not in set(OnFailure):
        known["on-failure"] = OnFailure.PUT_BACK.value
    if all(known[name] == data[name] for name in known):
        return data, False
    return {**data, **known}, True


def _step_as_known(step: JsonObject) -> JsonObject:
    status, stop, action = step.get("status"), step.get("stop"), step.get("action")
    if isinstance(status, str) and status not in set(Status):
        message = f"a newer version of the service reports {status}"
        step = {**step, "status": Status.RUNNING.value, "message": message}
    if isinstance(stop, dict) and stop.get("reason") not in set(StopReason):
        step = {**step, "stop": {**stop, "reason": StopReason.CANCELLED.value}}
    if isinstance(action, str) and action not in set(RunAction):
        step = {**step, "action": None}
    return step


def is_cancelled(document: Document) -> bool:
    """Return whether a deployment's document says that it was cancelled, without reading it all."""
    return bool(document.data.get("cancel-requested"))
