"""The commands of a tool's configuration."""

import json
from pathlib import Path
from typing import Any, BinaryIO

import click
import yaml

from components.cli.client import Client
from components.cli.command import EXIT_OTHERWISE, with_client, with_output
from components.cli.output import Output
from components.configuration.json_schema import json_schema
from components.configuration.problems import InvalidConfiguration, MalformedConfiguration
from components.configuration.reading import Format, read
from components.configuration.validation import ineffective, validate

_CONTENT_TYPES = {Format.JSON: "application/json", Format.YAML: "application/yaml"}

_file = click.argument("file", type=click.File("rb"))


@click.group("config")
def configuration() -> None:
    """Show, set, validate and delete the tool's configuration."""


@configuration.command("show")
@with_client
async def show(client: Client, output: Output) -> None:
    """Print the stored configuration, as YAML."""
    reply = await client.request("GET", "config")
    output.reply(reply)
    if not output.data(reply.data):
        output.line(_yaml(reply.data))


@configuration.command("set")
@_file
@with_client
async def set_(client: Client, output: Output, file: BinaryIO) -> None:
    """Store the configuration in FILE (YAML, or JSON if its name ends so; - is standard input)."""
    content_type = _CONTENT_TYPES[_format(file)]
    reply = await client.request("POST", "config", file.read(), content_type)
    output.reply(reply)
    if not output.data(reply.data):
        count = len(reply.data["components"])
        output.line(f"stored the configuration of {client.connection.tool}: {_counted(count)}")


@configuration.command("delete")
@with_client
async def delete(client: Client, output: Output) -> None:
    """Remove the configuration, and print what it was."""
    reply = await client.request("DELETE", "config")
    output.reply(reply)
    if not output.data(reply.data):
        output.line(_yaml(reply.data))
        output.messages(info=[f"removed the configuration of {client.connection.tool}"])


@configuration.command("validate")
@_file
@with_output
def validate_(output: Output, file: BinaryIO) -> int:
    """Check the configuration in FILE; no service is asked."""
    errors: list[str] = []
    warnings: tuple[Any, ...] = ()
    value: Any = None
    try:
        value = read(file.read(), _format(file))
        validate(value)
        warnings = ineffective(value)
    except MalformedConfiguration as error:
        errors = [str(error)]
    except InvalidConfiguration as error:
        errors, warnings = list(map(str, error.problems)), error.hints
    shown = list(map(str, warnings))
    if not output.data({"valid": not errors, "errors": errors, "warnings": shown}):
        output.messages(warnings=shown, errors=errors)
        if not errors:
            output.line(f"valid: {_counted(len(value['components']))}")
    return EXIT_OTHERWISE if errors else 0


@configuration.command("schema")
@with_output
def schema(output: Output) -> int:
    """Print the JSON Schema of a configuration, for editors; with or without --json."""
    output.line(json.dumps(json_schema(), indent=2))
    return 0


def _format(file: BinaryIO) -> Format:
    # Standard input has no name of its own everywhere, and YAML reads JSON too.
    is_json = Path(str(getattr(file, "name", ""))).suffix.lower() == ".json"
    return Format.JSON if is_json else Format.YAML


def _yaml(value: Any) -> str:
    return yaml.safe_dump(value, sort_keys=False, allow_unicode=True).rstrip()


def _counted(components: int) -> str:
    return f"{components} component{'s' if components != 1 else ''}"
