"""What a request asks of a new deployment: an optional JSON body, and a key to repeat it with."""

from typing import Any

from aiohttp import web
from marshmallow import RAISE, Schema, ValidationError, fields, validate

from components.configuration.fields import Flag
from components.configuration.problems import InvalidConfiguration, nearest, path_text
from components.configuration.reading import Format, read
from components.engine.drafts import Wish
from components.engine.queue import WhenBusy
from components.http.errors import BadBody, BadParameter, UnsupportedFormat

DESCRIPTION_LENGTH = 500
KEY_LENGTH = 255
KEY_HEADER = "Idempotency-Key"


class RepeatedDeploySchema(Schema):
    """What may be asked of a deployment that is made from an earlier one."""

    description = fields.String(
        validate=validate.Length(max=DESCRIPTION_LENGTH),
        metadata={"description": "For people: why it is made."},
    )
    when_busy = fields.Enum(
        WhenBusy,
        by_value=True,
        data_key="when-busy",
        metadata={
            "type": "string",
            "default": WhenBusy.QUEUE.value,
            "description": "What to do where as many deployments of the tool run as may: wait "
            "(`queue`), cancel those that run and wait (`supersede`), or be refused (`reject`).",
        },
    )


class DeploySchema(RepeatedDeploySchema):
    """What may be asked of a deployment."""

    components = fields.List(
        fields.String(),
        validate=validate.Length(1),
        metadata={"description": "Deploy only these, and what they reuse."},
    )
    force_build = Flag(
        data_key="force-build",
        metadata={"default": False, "description": "Build also what is built already."},
    )
    dry_run = Flag(
        data_key="dry-run",
        metadata={
            "default": False,
            "description": "Answer what would be built or reused, and store nothing.",
        },
    )


BODIES = {"Deploy": DeploySchema, "RepeatedDeploy": RepeatedDeploySchema}
"""The schemas by their names in the OpenAPI document."""


def body_of(name: str) -> dict[str, Any]:
    """Return what the OpenAPI document says of a body: a name, since apigami changes a schema."""
    schema = {"$ref": f"#/components/schemas/{name}"}
    return {"required": False, "content": {"application/json": {"schema": schema}}}


KEY_PARAMETER = {
    "in": "header",
    "name": KEY_HEADER,
    "required": False,
    "schema": {"type": "string", "minLength": 1, "maxLength": KEY_LENGTH, "pattern": "^[!-~]+$"},
    "description": "Makes the request repeatable: who gives the same key again gets the same "
    "deployment, as long as that is kept.",
}


async def read_wish(request: web.Request, schema: type[Schema]) -> tuple[Wish, bool]:
    """Return what the body asks for, and whether only in thought.

    Raises `BadBody`, `UnsupportedFormat`, `MalformedConfiguration`.
    """
    body = await request.read()
    if not body:
        return Wish(), False
    if request.content_type != "application/json":
        sent = request.headers.get("Content-Type", "nothing in particular")
        raise UnsupportedFormat(f"the body must be sent as application/json, not as {sent!r}")
    try:
        value = read(body, Format.JSON)
    except InvalidConfiguration as error:
        raise BadBody([str(each) for each in error.problems]) from None
    if not isinstance(value, dict):
        raise BadBody(["the body must be a JSON object"])
    try:
        wanted = schema().load(value, unknown=RAISE)
    except ValidationError as error:
        known = [each.data_key or name for name, each in schema().fields.items()]
        raise BadBody(_errors(error.normalized_messages(), (), known)) from None  # type: ignore[no-untyped-call]
    dry_run = wanted.pop("dry_run", False)
    return Wish(**wanted), dry_run


def key_of(request: web.Request) -> str | None:
    """Return the key that makes a request repeatable, if it has one. Raises `BadParameter`."""
    keys = request.headers.getall(KEY_HEADER, [])
    if not keys:
        return None
    key = keys[0]
    if len(keys) > 1 or not 0 < len(key) <= KEY_LENGTH or not all("!" <= c <= "~" for c in key):
        raise BadParameter(
            f"{KEY_HEADER}: must be given once, as 1 to {KEY_LENGTH} visible ASCII characters"
        )
    return key


def _errors(found: Any, path: tuple[str | int, ...], known: list[str]) -> list[str]:
    """Return marshmallow's messages with their paths, and the nearest of the known names."""
    if isinstance(found, dict):
        return [each for step in found for each in _errors(found[step], (*path, step), known)]
    where = path_text(path)
    return [f"{where}: {_said(each, str(path[-1]), known)}" for each in found]


def _said(message: str, name: str, known: list[str]) -> str:
    if message != "Unknown field.":
        return message[:1].lower() + message[1:].rstrip(".")
    near = nearest(name, known)
    hint = f"did you mean {near!r}?" if near else f"there are {', '.join(sorted(known))}"
    return f"is not known: {hint}"
