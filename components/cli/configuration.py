"""The commands for a tool's configuration."""

import json
from http import HTTPStatus
from typing import Any

import click

from components.cli.client import Client, Reply, ServiceError
from components.cli.command import (
    EXIT_UNSUCCESSFUL,
    InvalidFile,
    header_value,
    with_client,
    with_output,
)
from components.cli.diff import differences
from components.cli.files import ConfigurationFile, GivenFile
from components.cli.output import Output
from components.cli.tables import history_table
from components.cli.text import json_text, yaml_text
from components.configuration.json_schema import json_schema
from components.configuration.problems import InvalidConfiguration, MalformedConfiguration
from components.configuration.reading import Format
from components.configuration.validation import ineffective, validate

_CONTENT_TYPES = {Format.JSON: "application/json", Format.YAML: "application/yaml"}

_INVALID = (
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.UNPROCESSABLE_ENTITY,
)
"""The statuses of the service for a body that is not a valid configuration."""

_file = click.argument("file", type=ConfigurationFile())

_if_match = click.option(
    "--if-match",
    metavar="ETAG",
    callback=header_value,
    help="Fail unless the stored configuration has this ETag; see `history`.",
)


def _condition(etag: str | None) -> dict[str, str]:
    return {"If-Match": etag if etag == "*" else f'"{etag}"'} if etag else {}


async def store(client: Client, file: GivenFile, if_match: str | None = None) -> Reply:
    """Store the configuration in a file. Raises `InvalidFile` and other `ServiceError`s."""
    headers = {"Content-Type": _CONTENT_TYPES[file.format], **_condition(if_match)}
    try:
        return await client.request("POST", "config", file.body, headers=headers)
    except ServiceError as error:
        if error.status in _INVALID:
            raise InvalidFile(error.errors, error.warnings) from None
        raise


def show_stored(client: Client, output: Output, reply: Reply) -> None:
    """Report that a configuration was stored."""
    output.line(f"stored the configuration of {client.connection.tool}: {_content(reply.data)}")


@click.group("config")
def configuration() -> None:
    """Show, set, generate, compare, validate and delete the tool's configuration."""


@configuration.command("show")
@with_client
async def show(client: Client, output: Output) -> None:
    """Print the stored configuration as YAML."""
    reply = await client.request("GET", "config")
    output.reply(reply)
    if not output.data(reply.data):
        output.lines(yaml_text(reply.data))


@configuration.command("set")
@_file
@_if_match
@with_client
async def set_(client: Client, output: Output, file: GivenFile, if_match: str | None) -> None:
    """Store the configuration in FILE.

    FILE is YAML, or JSON if its name ends with .json. With -, standard input is read as either.
    """
    reply = await store(client, file, if_match)
    output.reply(reply)
    if not output.data(reply.data):
        show_stored(client, output, reply)


@configuration.command("delete")
@_if_match
@with_client
async def delete(client: Client, output: Output, if_match: str | None) -> None:
    """Delete the configuration, and print it."""
    reply = await client.request("DELETE", "config", headers=_condition(if_match))
    output.reply(reply)
    if not output.data(reply.data):
        output.lines(yaml_text(reply.data))
        output.messages(info=[f"deleted the configuration of {client.connection.tool}"])


@configuration.command("history")
@with_client
async def history(client: Client, output: Output) -> None:
    """List the retained configurations, newest first. --json prints them in full."""
    reply = await client.request("GET", "config/history")
    output.reply(reply)
    if not output.data(reply.data):
        if reply.data["configurations"]:
            output.table(history_table(reply.data["configurations"]))
        else:
            output.line(f"{client.connection.tool} has no configuration history")


@configuration.command("generate")
@with_client
async def generate(client: Client, output: Output) -> None:
    """Print a configuration as YAML that would give what runs, or a sample. Nothing is stored."""
    reply = await client.request("GET", "config/generate")
    output.reply(reply)
    if not output.data(reply.data):
        output.lines(yaml_text(reply.data))


@configuration.command("diff")
@click.argument("file", type=ConfigurationFile(), required=False)
@with_client
async def diff(client: Client, output: Output, file: GivenFile | None) -> None:
    """Show what FILE would change, component by component.

    Without FILE, compare the stored configuration with the previous one.
    """
    given = _valid(file) if file else None
    reply = await client.request("GET", "config/history")
    output.reply(reply)
    retained = reply.data["configurations"]
    stored = retained[0]["config"] if retained and retained[0]["current"] else {}
    if file is None:
        old, new = (retained[1]["config"] if len(retained) > 1 else {}), stored
    else:
        old, new = stored, given
    found = differences(old, new)
    if not output.data({"differences": [each.as_data() for each in found]}):
        for each in found:
            output.styled(each.as_lines())
        if not found:
            same = json.dumps(old) == json.dumps(new)
            output.line("no differences" if same else "no differences except the order")


def _valid(file: GivenFile) -> Any:
    """Return the configuration in a file. Raises `InvalidFile`."""
    try:
        value = file.value()
        validate(value)
    except MalformedConfiguration as error:
        raise InvalidFile((str(error),)) from None
    except InvalidConfiguration as error:
        raise InvalidFile(tuple(map(str, error.problems)), tuple(map(str, error.hints))) from None
    return value


@configuration.command("validate")
@_file
@with_output
def validate_(output: Output, file: GivenFile) -> int:
    """Validate the configuration in FILE, without a service."""
    errors: tuple[str, ...] = ()
    try:
        value = _valid(file)
        warnings = tuple(map(str, ineffective(value)))
    except InvalidFile as error:
        errors, warnings = error.errors, error.warnings
    if not output.data({"valid": not errors, "errors": errors, "warnings": warnings}):
        output.messages(warnings=warnings, errors=errors)
        if not errors:
            output.line(f"valid: {_content(value)}")
    return EXIT_UNSUCCESSFUL if errors else 0


@configuration.command("schema")
@with_output
def schema(output: Output) -> int:
    """Print the JSON Schema of a configuration, with or without --json."""
    output.lines(json_text(json_schema()))
    return 0


def _content(value: Any) -> str:
    if "source_url" in value:
        return "each deployment fetches it"
    count = len(value["components"])
    return f"{count} component{'s' if count != 1 else ''}"
