"""The errors of tokens; their messages are for users, and never have a token."""

from components.configuration.problems import named
from components.engine.errors import EngineError


class BadToken(EngineError):
    """The token that was sent is not valid, or not any more."""


class NoToken(EngineError):
    """The tool has no token of this name."""

    def __init__(self, tool: str, name: str) -> None:
        super().__init__(f"tool {tool!r} has no token {named(name)}: it was revoked, or never made")


class TokenExists(EngineError):
    """The tool has a token of this name."""

    def __init__(self, tool: str, name: str) -> None:
        super().__init__(
            f"tool {tool!r} has a token {name!r} already: choose another name, or revoke it first"
        )


class TooManyTokens(EngineError):
    """The tool has as many tokens as are allowed."""

    def __init__(self, tool: str, most: int) -> None:
        super().__init__(f"tool {tool!r} has {most} tokens, and may not have more: revoke one")


class NoDeployToken(NoToken):
    """The tool has no deploy token."""

    def __init__(self, tool: str) -> None:
        EngineError.__init__(self, f"Unable to find a deploy token of tool {tool!r}: create one")


class DeployTokenExists(TokenExists):
    """The tool has a deploy token."""

    def __init__(self, tool: str) -> None:
        EngineError.__init__(
            self, f"tool {tool!r} has a deploy token already: refresh or delete it"
        )
