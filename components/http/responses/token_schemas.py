"""Tokens in responses."""

from marshmallow import Schema, fields

from components.engine.tokens.documents import Scope
from components.http.responses.fields import Time


class TokenSchema(Schema):
    """A token, without its text."""

    name = fields.String(required=True)
    scopes = fields.List(fields.Enum(Scope, by_value=True), required=True)
    components = fields.List(
        fields.String(),
        required=True,
        allow_none=True,
        metadata={"description": "The only components that it may deploy; null: all."},
    )
    created = Time(data_key="creation-time", required=True)
    expires = Time(data_key="end-time", required=True)


class ListedTokenSchema(TokenSchema):
    """A token in a list."""

    used = Time(
        data_key="last-use-time",
        required=True,
        allow_none=True,
        metadata={"description": "When it was last used, to the day; null if it never was."},
    )


class TokensSchema(Schema):
    """The tokens of a tool, by name."""

    tokens = fields.List(fields.Nested(ListedTokenSchema), required=True)


class MadeTokenSchema(TokenSchema):
    """A token that was just made."""

    text = fields.String(
        data_key="token",
        required=True,
        metadata={"description": "The token itself. It is shown only here."},
    )


class RevokedTokenSchema(Schema):
    """The name of a token that was revoked."""

    name = fields.String(required=True)
