"""Builds and runs as they are stored in a deployment's document."""

from datetime import timedelta
from typing import Any

from marshmallow import EXCLUDE, Schema, fields, post_dump, post_load

from backends.runners.base import Origin, RunSpec, Wanted
from backends.status import Status
from components.engine.builds.model import Build
from components.engine.runs.model import Before, Run, RunAction
from components.engine.steps.model import Claim, Doubt, Stop, StopReason


class Stored(Schema):
    """What all stored parts share."""

    class Meta:
        """Marshmallow's options."""

        # What a later version has added does not stop an earlier one.
        unknown = EXCLUDE


class _StoredClaim(Stored):
    by = fields.String(required=True)
    at = fields.AwareDateTime(required=True)
    # Version 0.1 had one limit for all instances.
    until = fields.AwareDateTime(load_default=None, allow_none=True)

    @post_load
    def _claim(self, data: dict[str, Any], **_: Any) -> Claim:
        until = data["until"] or data["at"] + timedelta(minutes=1)
        return Claim(data["by"], data["at"], until)


class _StoredDoubt(Stored):
    since = fields.AwareDateTime(required=True)
    settles = fields.AwareDateTime(required=True)

    @post_load
    def _doubt(self, data: dict[str, Any], **_: Any) -> Doubt:
        return Doubt(**data)


class _StoredStop(Stored):
    reason = fields.Enum(StopReason, by_value=True, required=True)
    since = fields.AwareDateTime(required=True)
    message = fields.String(required=True)

    @post_load
    def _stop(self, data: dict[str, Any], **_: Any) -> Stop:
        return Stop(**data)


class _StoredStep(Stored):
    status = fields.Enum(Status, by_value=True, required=True)
    message = fields.String(required=True)
    image = fields.String(required=True, allow_none=True)
    started = fields.AwareDateTime(data_key="start-time", required=True, allow_none=True)
    ended = fields.AwareDateTime(data_key="end-time", required=True, allow_none=True)
    # Not in the documents of version 0.1.
    attempt = fields.Integer(load_default=0)
    claim = fields.Nested(_StoredClaim, load_default=None, allow_none=True)
    doubt = fields.Nested(_StoredDoubt, load_default=None, allow_none=True)
    stop = fields.Nested(_StoredStop, load_default=None, allow_none=True)
    seen = fields.AwareDateTime(data_key="seen-time", load_default=None, allow_none=True)
    lost = fields.Integer(load_default=0)
    unasked = fields.TimeDelta(
        data_key="unasked-seconds", serialization_type=float, load_default=timedelta()
    )
    timed_out = fields.Boolean(data_key="timed-out", load_default=False)


class StoredBuild(_StoredStep):
    """A build."""

    id = fields.String(data_key="build-id", required=True, allow_none=True)
    digest = fields.String(required=True, allow_none=True)
    commit = fields.String(required=True, allow_none=True)
    reused = fields.String(data_key="reused-from", load_default=None, allow_none=True)

    @post_load
    def _build(self, data: dict[str, Any], **_: Any) -> Build:
        return Build(**data)


class _StoredSpec(Stored):
    command = fields.String(required=True)
    schedule = fields.String(load_default=None, allow_none=True)
    timeout = fields.Integer(load_default=None, allow_none=True)
    retry = fields.Integer(load_default=None, allow_none=True)
    cpu = fields.String(load_default=None, allow_none=True)
    memory = fields.String(load_default=None, allow_none=True)
    mount = fields.String(load_default=None, allow_none=True)
    emails = fields.String(load_default=None, allow_none=True)
    filelog = fields.Boolean(load_default=None, allow_none=True)
    filelog_stdout = fields.String(load_default=None, allow_none=True)
    filelog_stderr = fields.String(load_default=None, allow_none=True)
    port = fields.Integer(load_default=None, allow_none=True)
    port_protocol = fields.String(load_default=None, allow_none=True)
    publish = fields.String(load_default=None, allow_none=True)
    replicas = fields.Integer(load_default=None, allow_none=True)
    health_check_http = fields.String(load_default=None, allow_none=True)
    health_check_script = fields.String(load_default=None, allow_none=True)

    @post_dump
    def _without_none(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        return {name: value for name, value in data.items() if value is not None}

    @post_load
    def _spec(self, data: dict[str, Any], **_: Any) -> RunSpec:
        return RunSpec(**data)


class _StoredWanted(Stored):
    image = fields.String(required=True)
    spec = fields.Nested(_StoredSpec, required=True)
    revision = fields.String(load_default="")

    @post_load
    def _wanted(self, data: dict[str, Any], **_: Any) -> Wanted:
        return Wanted(**data)


class _StoredOrigin(Stored):
    deploy_id = fields.String(data_key="deploy-id", required=True)
    commit = fields.String(load_default=None, allow_none=True)

    @post_load
    def _origin(self, data: dict[str, Any], **_: Any) -> Origin:
        return Origin(**data)


class _StoredBefore(Stored):
    wanted = fields.Nested(_StoredWanted, required=True)
    origin = fields.Nested(_StoredOrigin, required=True, allow_none=True)

    @post_load
    def _before(self, data: dict[str, Any], **_: Any) -> Before:
        return Before(**data)


class StoredRun(_StoredStep):
    """A run."""

    id = fields.String(data_key="run-id", required=True, allow_none=True)
    action = fields.Enum(RunAction, by_value=True, required=True, allow_none=True)
    revision = fields.String(required=True)
    before = fields.Nested(_StoredBefore, required=True, allow_none=True)
    healthy = fields.Boolean(required=True)
    ready = fields.Integer(required=True)
    replicas = fields.Integer(required=True)
    url = fields.String(required=True, allow_none=True)
    was_put_back = fields.Boolean(data_key="was-put-back", required=True)

    @post_load
    def _run(self, data: dict[str, Any], **_: Any) -> Run:
        return Run(**data)
