"""The rules for names of tools."""

import re

# With the prefix `tool-`, it must be a valid name of a namespace: a DNS label (RFC 1123).
TOOL_NAME = r"[a-z0-9]([a-z0-9-]{0,56}[a-z0-9])?"

RULE = (
    "a DNS label of at most 58 characters: lower-case letters, digits and '-', with a letter or "
    "digit at both ends"
)


def is_tool_name(name: str) -> bool:
    """Whether `name` is a valid name of a tool."""
    return re.fullmatch(TOOL_NAME, name) is not None
