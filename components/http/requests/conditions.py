"""Conditional requests: entity tags, `If-Match` and `If-None-Match`."""

import re

from aiohttp import ETag, hdrs, web

from components.engine.configurations.operations import Condition
from components.http.errors import BadParameter

_ETAG = r'(W/)?"([\x21\x23-\x7e\x80-\uffff]*)"'
_SEPARATOR = r"[ \t]*,[ \t]*"
ETAGS_SCHEMA = {
    "anyOf": [
        {"type": "string", "enum": ["*"]},
        {"type": "string", "pattern": r'^(W/)?"[!#-~]*"( *, *(W/)?"[!#-~]*")*$'},
    ]
}
"""The schema of these headers in the OpenAPI document."""

_ETAGS = re.compile(rf"{_ETAG}(?:{_SEPARATOR}{_ETAG})*")


def condition_of(request: web.Request) -> Condition:
    """Return the precondition of a write: `If-Match`, or `If-None-Match: *`.

    Raises `BadParameter` if a header has something else than entity tags.
    """
    expected, excluded = _etags(request, hdrs.IF_MATCH), _etags(request, hdrs.IF_NONE_MATCH)
    return Condition(
        # A weak entity tag never matches here (RFC 9110, 13.1.1).
        None if expected is None else frozenset(e.value for e in expected if not e.is_weak),
        absent=excluded is not None and any(each.value == "*" for each in excluded),
    )


def is_known(request: web.Request, etag: str) -> bool:
    """Whether the client has the version with this entity tag already (RFC 9110, 13.1.2).

    Raises `BadParameter` if `If-None-Match` has something else than entity tags.
    """
    return any(each.value in (etag, "*") for each in _etags(request, hdrs.IF_NONE_MATCH) or ())


def _etags(request: web.Request, header: str) -> tuple[ETag, ...] | None:
    """Return the entity tags in a header, or None if there is no such header."""
    values = request.headers.getall(header, [])
    if not values:
        return None
    text = ",".join(values).strip()
    if text == "*":
        return (ETag("*"),)
    if not _ETAGS.fullmatch(text):
        raise BadParameter(
            f'{header}: must be entity tags, such as "a1b2" with its quotes, separated by commas, '
            "or *"
        )
    return tuple(ETag(value, is_weak=bool(weak)) for weak, value in re.findall(_ETAG, text))


def not_modified(etag: ETag) -> web.Response:
    """Return a 304 response."""
    response = web.Response(status=304)
    response.etag = etag
    return response
