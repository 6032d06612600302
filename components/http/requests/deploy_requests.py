"""The request for a new deployment: an optional JSON body, and an idempotency key."""

from dataclasses import dataclass, replace
from typing import Any, TypeVar

from aiohttp import web
from marshmallow import Schema, ValidationError, fields, post_load, validate

from components.configuration.fields import Flag, OneOf, Text
from components.configuration.problems import printable
from components.configuration.schemas import MAX_COMPONENTS, MAX_NAME_LENGTH
from components.engine.context import Answer
from components.engine.creation.drafts import DEFAULTS, DeployRequest
from components.engine.deployments.model import OnFailure
from components.engine.queue.state import WhenBusy
from components.http.errors import BadParameter
from components.http.keys import CALLER
from components.http.requests.objects import UNKNOWN, read_object

T = TypeVar("T")

DESCRIPTION_LENGTH = 500
KEY_LENGTH = 255
KEY_HEADER = "Idempotency-Key"

_SHORTENED = (
    f"description: only its first line is stored, with at most {DESCRIPTION_LENGTH} characters and "
    "without control characters"
)


@dataclass(frozen=True, slots=True)
class DeployBody:
    """A parsed body: the options, whether it is a dry run, and warnings for the client."""

    options: DeployRequest = DEFAULTS
    dry_run: bool = False
    warnings: tuple[str, ...] = ()

    def with_warnings(self, answer: Answer[T]) -> Answer[T]:
        """Return an answer with the warnings about the body added."""
        return replace(answer, warnings=(*self.warnings, *answer.warnings))


class ComponentNames(fields.List):
    """Names of components, at most as many as a configuration can have."""

    default_error_messages = {  # noqa: RUF012 - marshmallow's own attribute
        "null": "must not be null: leave it out instead"
    }

    def __init__(self, **kwargs: Any) -> None:
        # For the OpenAPI document.
        bounds = validate.Length(1, MAX_COMPONENTS)
        name = Text(maximum=MAX_NAME_LENGTH, metadata={"maxLength": MAX_NAME_LENGTH})
        super().__init__(name, validate=bounds, **kwargs)

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> list[Any]:
        if not isinstance(value, list) or not 1 <= len(value) <= MAX_COMPONENTS:
            given = f"{len(value)} of them" if isinstance(value, list) else printable(value)
            raise ValidationError(
                f"must be a list of 1 to {MAX_COMPONENTS} component names, not {given}"
            )
        names: list[Any] = super()._deserialize(value, *args, **kwargs)
        return names


class RepeatedDeploySchema(Schema):
    """The options of a deployment that is created from an earlier one."""

    error_messages = {"unknown": UNKNOWN}  # noqa: RUF012 - marshmallow's own attribute

    description = Text(
        metadata={
            "description": "For people: the reason for the deployment. Its first line is stored, "
            f"with at most {DESCRIPTION_LENGTH} characters."
        },
    )
    when_busy = Text(
        data_key="when-busy",
        validate=OneOf(each.value for each in WhenBusy),
        metadata={
            "default": WhenBusy.QUEUE.value,
            "description": "What to do if the tool's maximum of deployments is running: wait "
            "(`queue`), cancel the running ones and wait (`supersede`), or fail (`reject`).",
        },
    )

    force_run = Flag(
        data_key="force-run",
        metadata={"default": False, "description": "Restart also components that run already."},
    )
    on_failure = Text(
        data_key="on-failure",
        validate=OneOf(each.value for each in OnFailure),
        metadata={
            "default": OnFailure.PUT_BACK.value,
            "description": "What to do if a run fails: put back what ran before (`put-back`), "
            "or leave things as they are (`keep`).",
        },
    )

    @post_load
    def _deploy_body(self, data: dict[str, Any], **_: Any) -> DeployBody:
        description, warnings = described(data.pop("description", ""))
        dry_run = data.pop("dry_run", False)
        when_busy = WhenBusy(data.pop("when_busy", WhenBusy.QUEUE))
        on_failure = OnFailure(data.pop("on_failure", OnFailure.PUT_BACK))
        options = DeployRequest(description, when_busy=when_busy, on_failure=on_failure, **data)
        return DeployBody(options, dry_run, warnings)


class DeploySchema(RepeatedDeploySchema):
    """The options of a deployment."""

    components = ComponentNames(
        metadata={
            "description": "Deploy only these components, and those whose builds they reuse."
        },
    )
    force_build = Flag(
        data_key="force-build",
        metadata={"default": False, "description": "Build also commits that are already built."},
    )
    dry_run = Flag(
        data_key="dry-run",
        metadata={
            "default": False,
            "description": "Return what would be built or reused, and store nothing.",
        },
    )


BODIES = {"Deploy": DeploySchema, "RepeatedDeploy": RepeatedDeploySchema}
"""The schemas by their names in the OpenAPI document."""


def body_of(name: str, *, required: bool = False) -> dict[str, Any]:
    """Return the OpenAPI request body: a reference by name, since apigami modifies a schema."""
    schema = {"$ref": f"#/components/schemas/{name}"}
    return {"required": required, "content": {"application/json": {"schema": schema}}}


KEY_PARAMETER = {
    "in": "header",
    "name": KEY_HEADER,
    "required": False,
    "schema": {"type": "string", "minLength": 1, "maxLength": KEY_LENGTH, "pattern": "^[!-~]+$"},
    "description": "Makes the request idempotent: a request with the same key returns the same "
    "deployment, as long as that is retained.",
}


async def read_deploy_request(request: web.Request, schema: type[Schema]) -> DeployBody:
    """Parse the body; without one, return the defaults. What the caller may deploy is in both.

    Raises `BadBody`, `UnsupportedFormat`, `MalformedConfiguration`.
    """
    sent = await request.read()
    parsed: DeployBody = await read_object(request, schema) if sent else DeployBody()
    return replace(parsed, options=replace(parsed.options, permitted=request[CALLER].components))


def described(given: str) -> tuple[str, tuple[str, ...]]:
    """Return the description that is stored, and a warning if it is not all that was given."""
    description = _first_line(given)
    return description, () if description == given.strip() else (_SHORTENED,)


def _first_line(text: str) -> str:
    """Return the first line that is not blank, without control characters."""
    for line in text.splitlines():
        shown = "".join(each if each.isprintable() else " " for each in line).strip()
        if len(shown) > DESCRIPTION_LENGTH:
            return f"{shown[: DESCRIPTION_LENGTH - 1]}…"
        if shown:
            return shown
    return ""


def key_of(request: web.Request) -> str | None:
    """Return the idempotency key of a request, if it has one. Raises `BadParameter`."""
    keys = request.headers.getall(KEY_HEADER, [])
    if not keys:
        return None
    key = keys[0]
    if len(keys) > 1 or not 0 < len(key) <= KEY_LENGTH or not all("!" <= c <= "~" for c in key):
        raise BadParameter(
            f"{KEY_HEADER}: must be given once, as 1 to {KEY_LENGTH} visible ASCII characters"
        )
    return key
