"""The commands of a tool's configuration."""

import json
from pathlib import Path
from typing import Any, BinaryIO

import click
import yaml

from components.cli.client import Client
from components.cli.command import EXIT_FAILED, EXIT_OTHERWISE, with_client, with_output
from components.cli.diff import differences
from components.cli.output import Output, history_table
from components.configuration.json_schema import json_schema
from components.configuration.problems import InvalidConfiguration, MalformedConfiguration
from components.configuration.reading import Format, read
from components.configuration.validation import ineffective, validate

_CONTENT_TYPES = {Format.JSON: "application/json", Format.YAML: "application/yaml"}

_file = click.argument("file", type=click.File("rb"))

_if_match = click.option(
    "--if-match", metavar="ETAG", help="Only if the stored one has this ETag; see `history`."
)


def _condition(tag: str | None) -> dict[str, str]:
    return {"If-Match": tag if tag == "*" else f'"{tag}"'} if tag else {}


@click.group("config")
def configuration() -> None:
    """Show, set, compare, validate and delete the tool's configuration."""


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
@_if_match
@with_client
async def set_(client: Client, output: Output, file: BinaryIO, if_match: str | None) -> None:
    """Store the configuration in FILE (YAML, or JSON if its name ends so; - is standard input)."""
    headers = {"Content-Type": _CONTENT_TYPES[_format(file)], **_condition(if_match)}
    reply = await client.request("POST", "config", file.read(), headers=headers)
    output.reply(reply)
    if not output.data(reply.data):
        count = len(reply.data["components"])
        output.line(f"stored the configuration of {client.connection.tool}: {_counted(count)}")


@configuration.command("delete")
@_if_match
@with_client
async def delete(client: Client, output: Output, if_match: str | None) -> None:
    """Remove the configuration, and print what it was."""
    reply = await client.request("DELETE", "config", headers=_condition(if_match))
    output.reply(reply)
    if not output.data(reply.data):
        output.line(_yaml(reply.data))
        output.messages(info=[f"removed the configuration of {client.connection.tool}"])


@configuration.command("history")
@with_client
async def history(client: Client, output: Output) -> None:
    """List the configurations that are kept, newest first; --json has them whole."""
    reply = await client.request("GET", "config/history")
    output.reply(reply)
    if not output.data(reply.data):
        if reply.data["configurations"]:
            output.out.print(history_table(reply.data["configurations"]))
        else:
            output.line(f"{client.connection.tool} has had no configuration")


@configuration.command("diff")
@click.argument("file", type=click.File("rb"), required=False)
@with_client
async def diff(client: Client, output: Output, file: BinaryIO | None) -> int:
    """Show what FILE would change, component by component.

    Without FILE, what the stored configuration has changed in the one before it.
    """
    reply = await client.request("GET", "config/history")
    output.reply(reply)
    kept = reply.data["configurations"]
    stored = kept[0]["config"] if kept and kept[0]["current"] else {}
    if file is None:
        old, new = (kept[1]["config"] if len(kept) > 1 else {}), stored
    else:
        try:
            old, new = stored, read(file.read(), _format(file))
            validate(new)
        except MalformedConfiguration as error:
            output.messages(errors=[str(error)])
            return EXIT_FAILED
        except InvalidConfiguration as error:
            shown = list(map(str, error.problems))
            output.messages(warnings=list(map(str, error.hints)), errors=shown)
            return EXIT_FAILED
    found = differences(old, new)
    if not output.data({"differences": [each.as_data() for each in found]}):
        for each in found:
            output.out.print(each.as_text(), soft_wrap=True)
        if not found:
            same = json.dumps(old) == json.dumps(new)
            output.line("nothing" if same else "nothing but the order")
    return 0


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
