"""Bodies that are JSON objects of a schema."""

from collections.abc import Iterator
from typing import Any

from aiohttp import web
from marshmallow import RAISE, Schema, ValidationError

from components.configuration.problems import (
    InvalidConfiguration,
    Problem,
    first_problems,
    named,
    nearest,
    path_text,
)
from components.configuration.reading import Format, read
from components.engine.threads import run_in_thread
from components.http.errors import BadBody, UnsupportedFormat
from components.http.requests.bodies import media_type

UNKNOWN = "is not known"
"""What a schema must say of an unknown field, so that the most similar known one is added."""


async def read_object(request: web.Request, schema: type[Schema]) -> Any:
    """Parse the body and return what the schema loads.

    Raises `BadBody`, `UnsupportedFormat`, `MalformedConfiguration`.
    """
    return await run_in_thread(_parse, await _read(request), schema)


async def read_value(request: web.Request) -> Any:
    """Parse the body and return its value, which may be of any type. Raises as `read_object`."""
    return await run_in_thread(_value, await _read(request))


async def _read(request: web.Request) -> bytes:
    body = await request.read()
    if media_type(request) != "application/json":
        sent = named(request.headers.get("Content-Type", "no content type"))
        raise UnsupportedFormat(f"the body must be sent as application/json, not as {sent}")
    return body


def _value(body: bytes) -> Any:
    try:
        return read(body, Format.JSON)
    except InvalidConfiguration as error:
        raise BadBody([_message(each) for each in error.problems]) from None


def _parse(body: bytes, schema: type[Schema]) -> Any:
    value = _value(body)
    if not isinstance(value, dict):
        raise BadBody(["the body must be a JSON object"])
    try:
        return schema().load(value, unknown=RAISE)
    except ValidationError as error:
        known = [each.data_key or name for name, each in schema().fields.items()]
        found = _problems(error.normalized_messages(), (), known)  # type: ignore[no-untyped-call]
        raise BadBody([_message(each) for each in first_problems(found)]) from None


def _problems(found: Any, path: tuple[str | int, ...], known: list[str]) -> Iterator[Problem]:
    """Flatten marshmallow's messages; add the most similar known name to each unknown one."""
    if isinstance(found, dict):
        for step, below in found.items():
            yield from _problems(below, (*path, step), known)
    else:
        for message in found:
            hint = _hint(str(path[-1]), known) if message == UNKNOWN else ""
            yield Problem(path, f"{message}{hint}")


def _hint(name: str, known: list[str]) -> str:
    near = nearest(name, known)
    return f": did you mean {near!r}?" if near else f": there are {', '.join(sorted(known))}"


def _message(problem: Problem) -> str:
    where = path_text(problem.path)
    return f"{where}: {problem.message}" if where else f"the body {problem.message}"
