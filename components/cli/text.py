"""Untrusted text, made safe to print: on a terminal, in JSON and in YAML.

All output goes through here. No other module may decide how text is printed on a terminal.
"""

import json
import re
from typing import Any

import yaml

from components.invisible_characters import escape, replace_invisible

# Control sequences of terminals, complete or truncated, in their 7-bit and 8-bit forms. The
# quantifiers are possessive, so that matching takes linear time.
_SEQUENCE = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*+[ -/]*+[@-~]?"  # a control sequence, such as a colour
    r"|(?:\x1b[]PX^_]|[\x90\x98\x9d-\x9f])"  # a control string, such as the window title
    r"(?:[^\x00-\x1f\x7f-\x9f]*+(?:\x07|\x1b\\|\x9c))?"
    r"|\x1b[ -/]*+[0-~]?"  # any other escape sequence
)


def plain(text: str) -> str:
    """Return a text as one printable line, in linear time.

    Control sequences are removed, and each white space becomes a space. Other invisible characters
    become escapes such as `\\u202e`: control and bidirectional formatting characters, zero-width
    characters and lone surrogates.
    """
    if text.isprintable():
        return text  # the common case
    text = _SEQUENCE.sub("", text).expandtabs()
    return replace_invisible(text, lambda each: " " if each.isspace() else escape(each))


def plain_lines(text: str) -> list[str]:
    """Return the lines of a text, each made `plain`."""
    return [plain(line.removesuffix("\r")) for line in text.split("\n")]


def json_text(value: Any) -> str:
    """Return a value as printable JSON, with escapes for invisible characters."""
    lines = json.dumps(value, indent=2, ensure_ascii=False).split("\n")
    return "\n".join(replace_invisible(line, lambda each: json.dumps(each)[1:-1]) for line in lines)


def yaml_text(value: Any) -> str:
    """Return a value as printable YAML, which is parsed to the same value."""
    text = yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True)
    return "\n".join(replace_invisible(line) for line in text.rstrip("\n").split("\n"))


class _Dumper(yaml.SafeDumper):
    """Quotes strings with invisible characters, because only quoted strings have escapes."""

    def analyze_scalar(self, scalar: str) -> Any:
        analysis = super().analyze_scalar(scalar)
        if not scalar.isprintable():
            analysis.allow_flow_plain = analysis.allow_block_plain = False
            analysis.allow_single_quoted = analysis.allow_block = False
        return analysis

    def ignore_aliases(self, data: Any) -> bool:
        return True  # write equal values alike, without anchors
