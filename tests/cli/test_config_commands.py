"""`components config`: show, set, validate, delete, schema."""

import asyncio
import json
import os
import sys
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator

from tests.cli.conftest import Run
from tests.conftest import CONFIGURATIONS
from tests.factories import configuration

EXAMPLE = str(CONFIGURATIONS[0])


async def test_a_file_is_stored_and_shown_again(run: Run, example_configuration: Path) -> None:
    stored = await run("config", "set", str(example_configuration))
    assert stored.exit_code == 0
    assert stored.stdout.startswith("stored the configuration of mytool: ")
    shown = await run("config", "show")
    expected = yaml.safe_load(example_configuration.read_text())
    assert json.dumps(yaml.safe_load(shown.stdout)) == json.dumps(expected)


async def test_a_json_file_is_read_as_json(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "components.json"
    file.write_text(json.dumps(configuration()))
    assert (await run("config", "set", str(file))).stdout.endswith(": 1 component\n")
    file.write_text("components: {}")
    broken = await run("config", "set", str(file))
    assert broken.exit_code == 1
    assert "not valid JSON" in broken.stderr


async def test_a_configuration_is_read_from_standard_input(run: Run) -> None:
    stored = await run("config", "set", "-", stdin=yaml.safe_dump(configuration("a", "b")))
    assert stored.stdout.endswith(": 2 components\n")


async def test_json_on_standard_input_is_read_as_json(run: Run) -> None:
    # In YAML, the number would be a string, and the escape would be invalid.
    given = {**configuration(), "number": 1e16, "private": "\U000e0041"}
    await run("config", "set", "-", stdin=json.dumps(given))
    shown = await run("config", "show", "--json")
    assert json.loads(shown.stdout) == given
    await run("config", "set", "-", stdin=shown.stdout)
    again = await run("config", "show", "--json")
    assert again.stdout == shown.stdout


async def test_json_prints_only_the_data(run: Run) -> None:
    given = yaml.safe_dump(configuration())
    for command in (["set", "-"], ["show"], ["delete"]):
        result = await run("config", *command, "--json", stdin=given)
        assert json.loads(result.stdout) == configuration()


async def test_warnings_are_shown_on_standard_error(run: Run) -> None:
    result = await run("config", "set", "-", stdin=yaml.safe_dump({**configuration(), "xyz": 1}))
    assert result.exit_code == 0
    assert result.stderr == "warning: xyz: has no effect: unknown field\n"


async def test_errors_of_the_service_are_shown_with_exit_code_1(run: Run) -> None:
    result = await run("config", "set", "-", stdin="components: {web: {}}")
    assert result.exit_code == 1
    assert "error: components.web.build: is required" in result.stderr
    assert "error: components.web.run: is required" in result.stderr
    assert result.stdout == ""


async def test_deleting_prints_the_deleted_configuration(run: Run) -> None:
    await run("config", "set", "-", stdin=yaml.safe_dump(configuration()))
    deleted = await run("config", "delete")
    assert yaml.safe_load(deleted.stdout) == configuration()
    assert "deleted the configuration of mytool" in deleted.stderr
    assert (await run("config", "show")).exit_code == 2


async def test_validation_needs_no_service_and_no_tool(
    run: Run, example_configuration: Path
) -> None:
    unreachable = {"COMPONENTS_URL": "http://127.0.0.1:1", "COMPONENTS_TOOL": ""}
    result = await run("config", "validate", str(example_configuration), **unreachable)
    assert result.exit_code == 0
    assert result.stdout.startswith("valid: ")


@pytest.mark.parametrize(
    ("text", "errors", "warnings"),
    [
        ("components: [", ["not valid YAML"], []),
        ("a: 2024-01-01", ["a: is a YAML timestamp"], []),
        ("{a: 1}", ["components: is required"], ["a: has no effect"]),
        (yaml.safe_dump({**configuration(), "xyz": 1}), [], ["xyz: has no effect"]),
    ],
)
async def test_validation_errors_are_shown_with_exit_code_1(
    run: Run, text: str, errors: list[str], warnings: list[str]
) -> None:
    result = await run("config", "validate", "-", stdin=text)
    assert result.exit_code == (1 if errors else 0)
    lines = result.stderr.splitlines()
    expected = [f"warning: {each}" for each in warnings] + [f"error: {each}" for each in errors]
    assert len(lines) == len(expected)
    assert all(line.startswith(start) for line, start in zip(lines, expected, strict=True))


async def test_validation_results_are_available_as_json(run: Run) -> None:
    result = await run("config", "validate", "--json", "-", stdin="{}")
    assert json.loads(result.stdout) == {
        "valid": False,
        "errors": ["components: is required, and must be a mapping"],
        "warnings": [],
    }
    assert result.exit_code == 1


async def test_the_schema_is_printed(run: Run) -> None:
    Draft202012Validator.check_schema(json.loads((await run("config", "schema")).stdout))


@pytest.mark.parametrize(
    "command", [("validate",), ("set",), ("diff",), ("deploy", "--config")], ids=" ".join
)
@pytest.mark.parametrize(
    "text", ["components: [", "components: {}", "a: 2024-01-01", "[" * 5000, "#" * 300_000]
)
async def test_an_invalid_file_has_exit_code_1_for_each_command(
    run: Run, tmp_path: Path, command: tuple[str, ...], text: str
) -> None:
    file = tmp_path / "bad.yaml"
    file.write_text(text)
    group = () if command[0] == "deploy" else ("config",)
    result = await run(*group, *command, str(file))
    assert result.exit_code == 1
    assert result.stderr.startswith(("error: ", "warning: "))
    assert "invalid" not in result.stdout


@pytest.mark.parametrize("etag", ["", "two words", 'a"b', "é", "a\nb"])
async def test_an_etag_with_invalid_characters_is_a_usage_error(run: Run, etag: str) -> None:
    result = await run("config", "delete", "--if-match", etag)
    assert result.exit_code == 2
    assert "visible ASCII characters" in result.stderr


@pytest.mark.parametrize("name", ["../config", "a/b", "", "a?b", ".."])
async def test_an_id_with_invalid_characters_is_a_usage_error(run: Run, name: str) -> None:
    result = await run("deployment", "show", name)
    assert result.exit_code == 2
    assert "is not a valid name" in result.stderr


async def test_a_file_that_cannot_be_read_is_a_usage_error(run: Run) -> None:
    result = await run("config", "validate", "/")
    assert result.exit_code == 2
    assert "Is a directory" in result.stderr
    result = await run("config", "validate", "/proc/self/mem")
    assert result.exit_code == 2
    assert "'/proc/self/mem': Input/output error" in result.stderr


async def test_an_endless_file_is_read_only_up_to_the_maximum_size(run: Run) -> None:
    result = await run("config", "validate", "/dev/zero")
    assert result.exit_code == 1
    assert "is too large" in result.stderr


async def test_a_missing_file_is_a_usage_error(run: Run) -> None:
    result = await run("config", "set", "/unreachable.yaml")
    assert result.exit_code == 2
    assert "No such file" in result.stderr


async def test_characters_that_the_encoding_does_not_have_are_escaped(tmp_path: Path) -> None:
    file = tmp_path / "components.yaml"
    file.write_text(yaml.safe_dump({**configuration(), "日本": 1}, allow_unicode=True))
    process = await asyncio.create_subprocess_exec(
        Path(sys.executable).with_name("components"),
        "config",
        "validate",
        file,
        env={**os.environ, "PYTHONIOENCODING": "latin-1"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await process.communicate()
    assert (process.returncode, output) == (0, b"valid: 1 component\n")
    assert b"u65e5" in errors


async def test_output_that_cannot_be_written_is_reported_in_one_line() -> None:
    program = Path(sys.executable).with_name("components")
    process = await asyncio.create_subprocess_shell(
        f"{program} config schema > /dev/full", stderr=asyncio.subprocess.PIPE
    )
    _, output = await process.communicate()
    assert process.returncode == 2
    assert output == b"error: the output cannot be written: No space left on device\n"
