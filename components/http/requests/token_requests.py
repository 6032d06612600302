"""The request for a new token."""

from dataclasses import dataclass
from typing import Any

from marshmallow import Schema, ValidationError, fields, post_load, validate

from components.configuration.fields import OneOf, Text, WholeNumber
from components.configuration.problems import printable
from components.engine.tokens.documents import DEFAULT_DAYS, MAX_DAYS, Scope
from components.http.requests.deploy_requests import ComponentNames
from components.http.requests.objects import UNKNOWN

TOKEN_NAME = r"[a-z0-9]([a-z0-9-]{0,48}[a-z0-9])?"  # noqa: S105 - a pattern
_RULE = "must be at most 50 lower-case letters, digits and '-', with a letter or digit at both ends"


@dataclass(frozen=True, slots=True)
class TokenBody:
    """A parsed body: what the new token is to be."""

    name: str
    scopes: tuple[Scope, ...]
    components: tuple[str, ...] | None
    days: int


class Scopes(fields.List):
    """Scopes, at least one, each once."""

    def __init__(self, **kwargs: Any) -> None:
        # For the OpenAPI document.
        bounds = validate.Length(1, len(Scope))
        super().__init__(
            Text(validate=OneOf(each.value for each in Scope)), validate=bounds, **kwargs
        )

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> list[Any]:
        if not isinstance(value, list) or not 1 <= len(value) <= len(Scope):
            known = " and ".join(sorted(Scope))
            raise ValidationError(f"must be a list of {known}, or one of them: {printable(value)}")
        scopes: list[Any] = super()._deserialize(value, *args, **kwargs)
        return scopes


class NewTokenSchema(Schema):
    """What a new token is to be."""

    error_messages = {"unknown": UNKNOWN}  # noqa: RUF012 - marshmallow's own attribute

    name = Text(
        required=True,
        maximum=50,
        validate=validate.Regexp(rf"\A(?:{TOKEN_NAME})\Z", error=_RULE),
        metadata={
            "pattern": f"^{TOKEN_NAME}$",
            "description": "A name for people, unique among the tool's tokens.",
        },
    )
    scopes = Scopes(
        required=True,
        metadata={
            "description": "`read`: look at everything but tokens. `deploy`: create, retry, cancel "
            "and roll back to deployments."
        },
    )
    components = ComponentNames(
        metadata={"description": "Deploy only these components. Default: all."}
    )
    days = WholeNumber(
        minimum=1,
        maximum=MAX_DAYS,
        load_default=DEFAULT_DAYS,
        metadata={"description": "After how many days it expires."},
    )

    @post_load
    def _token_body(self, data: dict[str, Any], **_: Any) -> TokenBody:
        components = data.get("components")
        return TokenBody(
            data["name"],
            tuple(map(Scope, data["scopes"])),
            None if components is None else tuple(components),
            data["days"],
        )


TOKEN_BODIES = {"NewToken": NewTokenSchema}
"""The schemas by their names in the OpenAPI document."""
