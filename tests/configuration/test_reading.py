"""JSON and YAML are read without loss, and values that JSON does not have are reported."""

import json
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from components.configuration.json_values import MAX_BYTES, MAX_VALUES
from components.configuration.problems import (
    MAX_PROBLEMS,
    InvalidConfiguration,
    MalformedConfiguration,
)
from components.configuration.reading import Format, read


def problems(text: str | bytes, written_in: Format = Format.YAML) -> list[str]:
    """Return the messages of the problems in `text`."""
    body = text if isinstance(text, bytes) else text.encode()
    with pytest.raises(InvalidConfiguration) as caught:
        read(body, written_in)
    return [str(problem) for problem in caught.value.problems]


def test_example_configurations_are_read_like_a_yaml_loader_does(
    example_configuration: Path,
) -> None:
    body = example_configuration.read_bytes()
    assert json.dumps(read(body, Format.YAML)) == json.dumps(yaml.safe_load(body))


def test_json_keeps_the_order_of_keys_and_the_types_of_values() -> None:
    text = '{"z": 1, "a": {"y": 2.5, "b": [true, null, "ø"]}, "big": 123456789012345678901}'
    assert json.dumps(read(text.encode(), Format.JSON), ensure_ascii=False) == text


def test_a_byte_order_mark_is_ignored() -> None:
    assert read(b'\xef\xbb\xbf{"a": 1}', Format.JSON) == {"a": 1}


def test_anchors_aliases_and_merge_keys_are_expanded() -> None:
    text = "base: &b {a: 1, b: 2}\nmerged: {<<: *b, b: 3}\nalias: *b"
    assert read(text.encode(), Format.YAML) == {
        "base": {"a": 1, "b": 2},
        "merged": {"a": 1, "b": 3},
        "alias": {"a": 1, "b": 2},
    }


def test_earlier_merged_mappings_take_precedence() -> None:
    text = "a: &a {x: 1}\nb: &b {x: 2, y: 2}\nc: {<<: [*a, *b]}"
    assert read(text.encode(), Format.YAML)["c"] == {"x": 1, "y": 2}


def test_an_empty_yaml_document_is_null() -> None:
    assert read(b"", Format.YAML) is None


@pytest.mark.parametrize(
    ("text", "written_in", "message"),
    [
        ('{"a": ', Format.JSON, "not valid JSON: Expecting value at line 1, column 7"),
        ('{\n"a" 1}', Format.JSON, "not valid JSON: Expecting ':' delimiter at line 2, column 5"),
        ("", Format.JSON, "not valid JSON: Expecting value at line 1, column 1"),
        ("a: 1\n b: 2", Format.YAML, "not valid YAML: mapping values are not allowed"),
        ("a: [1,\nb: 2", Format.YAML, "did not find expected ',' or ']' at line 3, column 1"),
        ("a: *nowhere", Format.YAML, "not valid YAML: found undefined alias at line 1, column 4"),
        ("a: 1\n---\nb: 2", Format.YAML, "at line 2, column 1"),
        ("a: 1\nb: \x07", Format.YAML, "character U+0007 is not allowed at line 2, column 4"),
        ("# øøø\nb: \x07", Format.YAML, "character U+0007 is not allowed at line 2, column 4"),
        ('a: "\\ud800"\nb: \x01', Format.YAML, "U+0001 is not allowed at line 2, column 4"),
        ('a: "\\ud800"\nb: [', Format.YAML, "not valid YAML"),
    ],
)
def test_syntax_errors_are_reported_with_their_position(
    text: str, written_in: Format, message: str
) -> None:
    with pytest.raises(MalformedConfiguration) as caught:
        read(text.encode(), written_in)
    assert message in str(caught.value)


@pytest.mark.parametrize("written_in", Format)
def test_text_that_is_not_utf_8_is_malformed(written_in: Format) -> None:
    with pytest.raises(MalformedConfiguration, match="not UTF-8: byte 1 is 0xff"):
        read(b"a\xff", written_in)


@pytest.mark.parametrize(
    ("text", "written_in"),
    [
        ("[" * 100_000, Format.JSON),
        ('{"a":' * 50_000, Format.JSON),
        ("[" * 65 + "]" * 65, Format.JSON),
        ("[" * 100_000, Format.YAML),
        ("{a: " * 50_000, Format.YAML),
        ("\n".join(" " * n + "a:" for n in range(500)), Format.YAML),
        ("a: &a [*a]", Format.YAML),
        ("a: &a {<<: *a}", Format.YAML),
    ],
)
def test_text_that_is_nested_too_deep_is_malformed(text: str, written_in: Format) -> None:
    with pytest.raises(MalformedConfiguration, match="nested"):
        read(text.encode(), written_in)


def test_sixty_four_levels_are_read() -> None:
    text = b"[" * 64 + b"]" * 64
    assert read(text, Format.JSON) == read(text, Format.YAML)


def test_a_number_with_too_many_digits_for_python_is_malformed() -> None:
    with pytest.raises(MalformedConfiguration, match="4300 digits"):
        read(b"1" * 5000, Format.JSON)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: {b: 2024-01-01}", 'a.b: is a YAML timestamp, which JSON does not have: put "2024'),
        ("a: 2024-99-99", "a: is a YAML timestamp"),
        ("a: !!binary aGk=", "a: is a YAML binary"),
        ("a: !mine x", "a: is a YAML !mine"),
        ("a: !!int x", "a: is a YAML int"),
        ("a: " + "1" * 5000, "a: must be a number with fewer digits"),
        ("a: {1: x}", 'a: has a key that is not a string, "1": put it in quotes'),
        ("a: {yes: x}", 'a: has a key that is not a string, "yes"'),
        ("a: {[1]: x}", "a: has a key that is a collection"),
        ("a: {b: 1, b: 2}", "a.b: is a duplicate key: keep one"),
        ("a: {<<: 1}", 'a["<<"]: must refer to a mapping'),
        ("a: {<<: !x {b: c}}", 'a["<<"]: is a YAML !x, which JSON does not have'),
        ("a: [1, .nan]", "a[1]: must be a finite number, not nan"),
        ("a: -.inf", "a: must be a finite number, not -inf"),
        ('a: "\\ud800"', "a: has a lone surrogate"),
        ('a: {b: ["\\ud83d\\ude00"]}', "a.b[0]: has a lone surrogate"),
        ('a: "\\UFFFFFFFF"', "a: has a lone surrogate"),
        ('{"\\udc00": 1}', "has a key with a lone surrogate"),
        ("a: !!bool foo", "a: is a YAML bool"),
        ('a: !!int ""', "a: is a YAML int"),
        ('a: !!int "-"', "a: is a YAML int"),
        ('a: !!float ""', "a: is a YAML float"),
        ("a: 1" + ":59" * 3000 + ".0", "a: must be a number with fewer digits"),
        ("a: 1." + "1" * 5000, "a: must be a number with fewer digits"),
        ("a: 1" + ":59" * 1400 + ".0", "a: is a YAML float"),
        ("a: 1" + ":59" * 3000, "a: must be a number with fewer digits"),
        ("a: 0x" + "f" * 5000, "a: must be a number with fewer digits"),
        ("? [a, b]\n: c", "has a key that is a collection, not a string"),
        ("? !!str [a]\n: c", "has a key that is a collection, not a string"),
        ("a: !!set {b, c}", "a: is a YAML set, which JSON does not have"),
        ("a: !!python/object/apply:os.system [ls]", "a: is a YAML python/object/apply:os.system"),
    ],
)
def test_yaml_values_that_json_does_not_have_are_reported_by_path(text: str, problem: str) -> None:
    assert any(problem in each for each in problems(text))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('{"a": {"b": 1, "b": 2}}', "a.b: is a duplicate key: keep one"),
        ('{"a": NaN}', "a: must be a finite number, not nan"),
        ('{"a": [1e999]}', "a[0]: must be a finite number, not inf"),
        ('{"a.b": "\\ud800"}', '["a.b"]: has a lone surrogate'),
    ],
)
def test_values_that_only_pythons_json_parser_accepts_are_reported_by_path(
    text: str, problem: str
) -> None:
    assert any(problem in each for each in problems(text, Format.JSON))


def test_all_problems_are_reported_at_once() -> None:
    assert len(problems("a: 2024-01-01\nb: .nan\nc: {x: 1, x: 2}\n1: d")) == 4


def test_expanded_aliases_are_limited_in_number() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    (problem,) = problems("\n".join(lines))
    assert problem == (
        f"the configuration has more than {MAX_VALUES} keys and values when its aliases are "
        "expanded"
    )


def test_expanded_aliases_are_limited_in_size() -> None:
    (problem,) = problems(f"a: &a {'x' * 1000}\nb: [{', '.join(['*a'] * 300)}]")
    assert problem == (
        f"the configuration is larger than {MAX_BYTES} bytes when its aliases are expanded"
    )


@pytest.mark.parametrize("node", ["!!set {b}", "!x {b: c}", "!x [b]", "!!binary eA=="])
def test_aliases_of_rejected_values_count_as_well(node: str) -> None:
    text = f"a: &a {node}\nb: &b [{', '.join(['*a'] * 99)}]\nc: [{', '.join(['*b'] * 999)}]"
    found = problems(text)
    assert len(found) == MAX_PROBLEMS + 1
    assert (
        found[-1]
        == f"the configuration has more problems: only the first {MAX_PROBLEMS} are reported"
    )


def test_keys_and_merge_keys_count_like_values() -> None:
    merges = ", ".join(["*a"] * 100)
    lines = ["a: &a {b: c}", *(f"m{n}: {{<<: [{merges}]}}" for n in range(80))]
    (problem,) = problems("\n".join(lines))
    assert problem.endswith("keys and values when its aliases are expanded")


@pytest.mark.parametrize(
    ("text", "written_in"),
    [
        ("[" + "a, " * MAX_VALUES + "]", Format.YAML),
        ("{" + "a, " * (MAX_VALUES // 2) + "}", Format.YAML),
        ("[" + ", ".join("1" * MAX_VALUES) + "]", Format.JSON),
        (json.dumps({f"{n}": 1 for n in range(MAX_VALUES // 2)}), Format.JSON),
    ],
)
def test_the_number_of_keys_and_values_is_limited(text: str, written_in: Format) -> None:
    assert problems(text, written_in) == [
        f"the configuration has more than {MAX_VALUES} keys and values"
    ]


@pytest.mark.parametrize("written_in", Format)
def test_a_file_that_is_too_large_is_reported_with_its_size(written_in: Format) -> None:
    text = '{"a": "' + "x" * 300_000 + '"}'
    assert problems(text, written_in) == [
        f"the configuration has 300009 bytes; the maximum is {MAX_BYTES}"
    ]


@pytest.mark.parametrize("written_in", Format)
@pytest.mark.parametrize(("count", "reported"), [(100, 100), (101, 101), (5000, 101)])
def test_at_most_100_problems_are_reported_and_that_there_are_more(
    written_in: Format, count: int, reported: int
) -> None:
    value = {Format.JSON: "NaN", Format.YAML: "2024-01-01"}[written_in]
    found = problems(f"[{', '.join([value] * count)}]", written_in)
    assert len(found) == reported
    assert ("has more problems" in found[-1]) is (count > 100)


def test_a_problem_below_long_keys_has_a_short_message() -> None:
    text = '{"' + "a" * 200_000 + '": {"' + "-" * 50_000 + '": NaN}}'
    (problem,) = problems(text, Format.JSON)
    assert len(problem) < 200


def test_expanded_merge_keys_are_limited() -> None:
    lines = ["a0: &a0 {x: 1}"]
    lines += [f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 10)}]}}" for n in range(1, 12)]
    (problem,) = problems("\n".join(lines))
    assert "more than" in problem


fragments = st.sampled_from(
    [
        "a",
        "1",
        ": ",
        "- ",
        "? ",
        "\n",
        "  ",
        "[",
        "]",
        "{",
        "}",
        ", ",
        "&x ",
        "*x",
        "<<",
        "!!int ",
        "!!bool ",
        "!!str ",
        "!!set ",
        "!!float ",
        "!foo ",
        "|",
        ">",
        '"',
        "'",
        "\\ud800",
        "\\U00110000",
        ".nan",
        "~",
        *["2024-01-01", "0x", "1:59", "#", "%", "---", "ø", "\x01", "\ufeff", "=", "''", '""'],
    ]
)


@settings(max_examples=500)
@given(st.lists(fragments, max_size=12).map("".join), st.sampled_from(Format))
def test_any_text_is_either_read_or_rejected(text: str, written_in: Format) -> None:
    try:
        value = read(text.encode(), written_in)
    except (InvalidConfiguration, MalformedConfiguration):
        return
    assert json.loads(json.dumps(value)) == value


def test_a_body_of_the_maximum_size_is_read_with_any_white_space() -> None:
    items = ",".ljust(19).join(["1"] * 13_000)
    assert MAX_BYTES - 5000 < len(items) < MAX_BYTES
    assert len(read(f"[{items}]".encode(), Format.JSON)) == 13_000


def test_a_configuration_that_is_too_large_as_json_is_invalid() -> None:
    text = '"' + "\\a" * 50_000 + '"'
    assert len(text) < MAX_BYTES
    (problem,) = problems(text)
    assert "bytes as JSON" in problem
