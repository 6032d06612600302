"""Printable text for terminals, JSON and YAML, in linear time."""

import json
import sys
import time

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from components.cli.text import json_text, plain, plain_lines, yaml_text
from components.configuration.reading import Format, read


def test_every_invisible_character_is_replaced() -> None:
    invisible = [chr(code) for code in range(sys.maxunicode + 1) if not chr(code).isprintable()]
    for text in (plain("".join(invisible)), json_text(invisible).replace("\n", "")):
        assert text.isprintable()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[1;31mred\x1b[0m", "red"),
        ("\x9b31mred", "red"),
        ("\x1b]0;title\x07a\x1b]8;;url\x1b\\link\x1b]8;;\x9c", "alink"),
        ("\x1bP1$q\x1b\\a\x90q\x9cb\x1b_c\x1b\\", "ab"),
        ("\x1b(Ba\x1bcb", "ab"),
        ("a\x1b]0;never ends", "a0;never ends"),
        ("a\x1b[31", "a"),
        ("a\x1b", "a"),
        ("10%\r20%\r", "10% 20% "),
        ("a\tb", "a       b"),
        ("\u202eabc\u2066\u200b", "\\u202eabc\\u2066\\u200b"),
        ("\ud800 \U000e0041 \x7f", "\\ud800 \\U000e0041 \\x7f"),
        ("日本語 é \U0001f600", "日本語 é \U0001f600"),
    ],
)
def test_control_sequences_are_removed_and_invisible_characters_escaped(
    text: str, shown: str
) -> None:
    assert plain(text) == shown


def test_lines_may_end_with_lf_or_crlf() -> None:
    assert plain_lines("a\r\nb\n\nc") == ["a", "b", "", "c"]


@pytest.mark.parametrize(
    "part",
    ["\x1b", "\x1b[", "\x1b]", "\x1b]a", "\x9d", "\x90a", "\x1b[0;", "\x1b ", "\u202e", "\t"],
)
def test_making_text_plain_takes_linear_time(part: str) -> None:
    def seconds(size: int) -> float:
        text = part + part * (size // len(part))
        best = float("inf")
        for _ in range(3):
            began = time.thread_time()
            plain(text)
            best = min(best, time.thread_time() - began)
        return best

    # Quadratic time would be eight times as long per character.
    assert seconds(1024 * 1024) < 32 * max(seconds(128 * 1024), 0.005)
    assert seconds(64 * 1024) < 0.5


@given(st.recursive(st.text(), lambda each: st.lists(each) | st.dictionaries(st.text(), each)))
def test_printable_yaml_and_json_are_the_same_value(value: object) -> None:
    for text in (yaml_text(value), json_text(value)):
        assert all(line.isprintable() for line in text.split("\n"))
    assert json.loads(json_text(value)) == value
    assert yaml.safe_load(yaml_text(value)) == value


@pytest.mark.parametrize(
    "text", ["\u202e", "a\u2028b", "\x85", "\xa0", "\x9b", "\x7f", "  \u200b\n"]
)
def test_printable_yaml_is_read_again_as_a_configuration(text: str) -> None:
    value = {"a": text, f"k{text}": [text]}
    assert read(yaml_text(value).encode(), Format.YAML) == value
