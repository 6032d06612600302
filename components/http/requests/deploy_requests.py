"""The request for a new deployment: an optional JSON body, and an idempotency key."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from aiohttp import web
from marshmallow import RAISE, Schema, ValidationError, fields, post_load, validate

from components.configuration.fields import Flag, OneOf, Text
from components.configuration.problems import (
    InvalidConfiguration,
    Problem,
    first_problems,
    named,
    nearest,
    path_text,
    printable,
)
from components.configuration.reading import Format, read
from components.configuration.schemas import MAX_COMPONENTS, MAX_NAME_LENGTH
from components.engine.context import Answer
from components.engine.creation.drafts import DEFAULTS, DeployRequest
from components.engine.deployments.model import OnFailure
from components.engine.queue.state import WhenBusy
from components.engine.threads import run_in_thread
from components.http.errors import BadBody, BadParameter, UnsupportedFormat
from components.http.requests.bodies import media_type

T = TypeVar("T")

DESCRIPTION_LENGTH = 500
KEY_LENGTH = 255
KEY_HEADER = "Idempotency-Key"

_UNKNOWN = "is not known"
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

    error_messages = {"unknown": _UNKNOWN}  # noqa: RUF012 - marshmallow's own attribute

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


def body_of(name: str) -> dict[str, Any]:
    """Return the OpenAPI request body: a reference by name, since apigami modifies a schema."""
    schema = {"$ref": f"#/components/schemas/{name}"}
    return {"required": False, "content": {"application/json": {"schema": schema}}}


KEY_PARAMETER = {
    "in": "header",
    "name": KEY_HEADER,
    "required": False,
    "schema": {"type": "string", "minLength": 1, "maxLength": KEY_LENGTH, "pattern": "^[!-~]+$"},
    "description": "Makes the request idempotent: a request with the same key returns the same "
    "deployment, as long as that is retained.",
}


async def read_deploy_request(request: web.Request, schema: type[Schema]) -> DeployBody:
    """Parse the body; without one, return the defaults.

    Raises `BadBody`, `UnsupportedFormat`, `MalformedConfiguration`.
    """
    body = await request.read()
    if not body:
        return DeployBody()
    check_json(request)
    return await run_in_thread(_parse, body, schema)


def check_json(request: web.Request) -> None:
    """Raise `UnsupportedFormat` if the body is not sent as JSON."""
    if media_type(request) != "application/json":
        sent = named(request.headers.get("Content-Type", "no content type"))
        raise UnsupportedFormat(f"the body must be sent as application/json, not as {sent}")


def json_of(body: bytes) -> Any:
    """Return the value in a body. Raises `BadBody`, `MalformedConfiguration`."""
    try:
        return read(body, Format.JSON)
    except InvalidConfiguration as error:
        raise BadBody([_message(each) for each in error.problems]) from None


def described(given: str) -> tuple[str, tuple[str, ...]]:
    """Return the description that is stored, and a warning if it is not all that was given."""
    description = _first_line(given)
    return description, () if description == given.strip() else (_SHORTENED,)


def _parse(body: bytes, schema: type[Schema]) -> DeployBody:
    value = json_of(body)
    if not isinstance(value, dict):
        raise BadBody(["the body must be a JSON object"])
    try:
        parsed: DeployBody = schema().load(value, unknown=RAISE)
    except ValidationError as error:
        known = [each.data_key or name for name, each in schema().fields.items()]
        found = _problems(error.normalized_messages(), (), known)  # type: ignore[no-untyped-call]
        raise BadBody([_message(each) for each in first_problems(found)]) from None
    return parsed


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


def _problems(found: Any, path: tuple[str | int, ...], known: list[str]) -> Iterator[Problem]:
    """Flatten marshmallow's messages; add the most similar known name to each unknown one."""
    if isinstance(found, dict):
        for step, below in found.items():
            yield from _problems(below, (*path, step), known)
    else:
        for message in found:
            hint = _hint(str(path[-1]), known) if message == _UNKNOWN else ""
            yield Problem(path, f"{message}{hint}")


def _hint(name: str, known: list[str]) -> str:
    near = nearest(name, known)
    return f": did you mean {near!r}?" if near else f": there are {', '.join(sorted(known))}"


def _message(problem: Problem) -> str:
    where = path_text(problem.path)
    return f"{where}: {problem.message}" if where else f"the body {problem.message}"
