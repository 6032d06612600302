"""What a client knows already: entity tags, and the conditions that it makes with them."""

import re

from aiohttp import ETag, hdrs, web

from components.engine.configurations.operations import Condition
from components.http.errors import BadParameter

_TAG = r'(W/)?"([\x21\x23-\x7e\x80-\uffff]*)"'
_SEPARATOR = r"[ \t]*,[ \t]*"
TAGS_SCHEMA = {
    "anyOf": [
        {"type": "string", "enum": ["*"]},
        {"type": "string", "pattern": r'^(W/)?"[!#-~]*"( *, *(W/)?"[!#-~]*")*$'},
    ]
}
"""What may be in a header with tags, as far as the OpenAPI document says."""

_TAGS = re.compile(rf"{_TAG}(?:{_SEPARATOR}{_TAG})*")


def condition_of(request: web.Request) -> Condition:
    """Return what a write is asked to depend on: `If-Match`, or `If-None-Match: *`.

    Raises `BadParameter` where a header holds something else than tags.
    """
    expected, excluded = _tags(request, hdrs.IF_MATCH), _tags(request, hdrs.IF_NONE_MATCH)
    return Condition(
        # A weak tag never matches here (RFC 9110, 13.1.1).
        None if expected is None else frozenset(e.value for e in expected if not e.is_weak),
        absent=excluded is not None and any(each.value == "*" for each in excluded),
    )


def is_known(request: web.Request, etag: str) -> bool:
    """Whether the client says that it has what this is the tag of (RFC 9110, 13.1.2).

    Raises `BadParameter` where `If-None-Match` holds something else than tags.
    """
    return any(each.value in (etag, "*") for each in _tags(request, hdrs.IF_NONE_MATCH) or ())


def _tags(request: web.Request, header: str) -> tuple[ETag, ...] | None:
    """Return the tags in a header; None without it, so that no condition is lost in silence."""
    values = request.headers.getall(header, [])
    if not values:
        return None
    text = ",".join(values).strip()
    if text == "*":
        return (ETag("*"),)
    if not _TAGS.fullmatch(text):
        raise BadParameter(
            f'{header}: must be entity tags, such as "a1b2" with its quotes, separated by commas, '
            "or *"
        )
    return tuple(ETag(value, is_weak=bool(weak)) for weak, value in re.findall(_TAG, text))


def not_modified(etag: ETag) -> web.Response:
    """Return the answer to somebody who has it already."""
    response = web.Response(status=304)
    response.etag = etag
    return response
