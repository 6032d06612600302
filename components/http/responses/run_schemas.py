"""The schemas of runs: those of a deployment, and those that run now."""

from marshmallow import Schema, fields

from backends.runners.base import Health
from backends.status import Status as StepStatus
from components.engine.runs.model import RunAction
from components.http.responses.fields import Status, Time


class RunSchema(Schema):
    """The run of one component in a deployment."""

    visible_status = Status(StepStatus, data_key="status")
    message = fields.String(
        required=True,
        metadata={"description": "For people: what it waits for, or why it failed."},
    )
    action = fields.Enum(
        RunAction,
        by_value=True,
        required=True,
        allow_none=True,
        metadata={
            "type": "string",
            "description": "What the deployment does with the component; null until it is known.",
        },
    )
    image = fields.String(
        required=True, allow_none=True, metadata={"description": "The image that is run."}
    )
    ready = fields.Integer(required=True, metadata={"description": "Healthy instances."})
    replicas = fields.Integer(required=True, metadata={"description": "Wanted instances."})
    url = fields.String(
        required=True,
        allow_none=True,
        metadata={"description": "Where it is published, if it is."},
    )
    started = Time(data_key="start-time", required=True, allow_none=True)
    ended = Time(data_key="end-time", required=True, allow_none=True)


class RunningComponentSchema(Schema):
    """The run of one component now."""

    health = Status(Health)
    message = fields.String(required=True)
    image = fields.String(required=True, allow_none=True)
    commit = fields.String(
        required=True, allow_none=True, metadata={"description": "The commit that was built."}
    )
    deploy_id = fields.String(
        data_key="deploy-id",
        required=True,
        allow_none=True,
        metadata={"description": "The deployment that this version came from."},
    )
    schedule = fields.String(
        required=True,
        allow_none=True,
        metadata={"description": "When a scheduled component runs; null for a continuous one."},
    )
    ready = fields.Integer(required=True)
    replicas = fields.Integer(required=True)
    restarts = fields.Integer(
        required=True, metadata={"description": "How often its instances were restarted."}
    )
    started = Time(data_key="start-time", required=True, allow_none=True)
    url = fields.String(required=True, allow_none=True)
    next_run = Time(data_key="next-time", required=True, allow_none=True)
    drift = fields.List(
        fields.String(),
        required=True,
        metadata={
            "description": "Changes by others than this service; the next deployment resets them."
        },
    )


class RunningSchema(Schema):
    """All that runs of a tool now."""

    components = fields.Dict(
        keys=fields.String(), values=fields.Nested(RunningComponentSchema), required=True
    )


class PlannedRunSchema(Schema):
    """What a deployment would do with the run of one component."""

    action = Status(RunAction)
    reason = fields.String(required=True)
