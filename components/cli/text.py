"""Text from outside, made to be nothing but text: on a terminal, in JSON and in YAML.

The one place for it. Nothing else may decide what of a text reaches a terminal.
"""

import json
import re
from typing import Any

import yaml

from components.seen import escape, seen

# What tells a terminal to do something, whole or broken off, in its 7-bit and its 8-bit form. A
# repetition that is taken is never given back, so that this takes linear time.
_SEQUENCE = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*+[ -/]*+[@-~]?"  # a control sequence, such as a colour
    r"|(?:\x1b[]PX^_]|[\x90\x98\x9d-\x9f])"  # a string for the terminal, such as its title
    r"(?:[^\x00-\x1f\x7f-\x9f]*+(?:\x07|\x1b\\|\x9c))?"
    r"|\x1b[ -/]*+[0-~]?"  # any other escape sequence
)


def plain(text: str) -> str:
    """Return a text as one line that can be shown, in linear time.

    It has no sequences for terminals, a space for each white space, and an escape such as
    `\\u202e` for whatever else cannot be seen: controls, marks that turn the direction, characters
    without width, halves of surrogate pairs.
    """
    if text.isprintable():
        return text  # as most are
    text = _SEQUENCE.sub("", text).expandtabs()
    return seen(text, lambda each: " " if each.isspace() else escape(each))


def plain_lines(text: str) -> list[str]:
    """Return the lines of a text, each as it can be shown."""
    return [plain(line.removesuffix("\r")) for line in text.split("\n")]


def json_text(value: Any) -> str:
    """Return a value as JSON that can be shown: an escape for each character that is not seen."""
    lines = json.dumps(value, indent=2, ensure_ascii=False).split("\n")
    return "\n".join(seen(line, lambda each: json.dumps(each)[1:-1]) for line in lines)


def yaml_text(value: Any) -> str:
    """Return a value as YAML that can be shown, and that is the same value when it is read."""
    text = yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True)
    return "\n".join(seen(line) for line in text.rstrip("\n").split("\n"))


class _Dumper(yaml.SafeDumper):
    """Quotes what holds a character that is not seen, since only quoted text has escapes."""

    def analyze_scalar(self, scalar: str) -> Any:
        analysis = super().analyze_scalar(scalar)
        if not scalar.isprintable():
            analysis.allow_flow_plain = analysis.allow_block_plain = False
            analysis.allow_single_quoted = analysis.allow_block = False
        return analysis

    def ignore_aliases(self, data: Any) -> bool:
        return True  # so that what is equal looks equal
