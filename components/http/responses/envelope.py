"""The envelope of every response of the API."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from aiohttp import web

from components.configuration.problems import MAX_PROBLEMS

MAX_MESSAGES = MAX_PROBLEMS + 1
"""The maximum of messages of one kind: all problems, and a last one that counts the rest."""


def enveloped(
    data: Any,
    *,
    info: Sequence[str] = (),
    warnings: Sequence[str] = (),
    errors: Sequence[str] = (),
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    detail: Sequence[Any] | None = None,
) -> web.Response:
    """Return a JSON response with `data` and the messages in the envelope.

    A `detail` is added beside them, in no other response.
    """
    text = envelope(json.dumps(data), info=info, warnings=warnings, errors=errors)
    if detail is not None:
        text = f'{text[:-1]}, "detail": {json.dumps(detail)}}}'
    return response(text, status, headers)


def response(
    text: str, status: int = 200, headers: Mapping[str, str] | None = None
) -> web.Response:
    """Return an envelope as a response."""
    return web.Response(text=text, status=status, headers=headers, content_type="application/json")


def envelope(
    data: str,
    *,
    info: Sequence[str] = (),
    warnings: Sequence[str] = (),
    errors: Sequence[str] = (),
) -> str:
    """Return the envelope with JSON text as data, and messages."""
    messages = {"info": _limited(info), "warning": _limited(warnings), "error": _limited(errors)}
    return f'{{"data": {data}, "messages": {json.dumps(messages)}}}'


def _limited(messages: Sequence[str]) -> list[str]:
    shown = list(messages[:MAX_MESSAGES])
    more = len(messages) - len(shown)
    return [*shown, f"and {more} more"] if more else shown
