"""What a client knows already: entity tags, and the conditions that it makes with them."""

from aiohttp import ETag, web

from components.engine.configurations import Condition


def condition_of(request: web.Request) -> Condition:
    """Return what a write is asked to depend on: `If-Match`, or `If-None-Match: *`."""
    expected, excluded = request.if_match, request.if_none_match
    return Condition(
        # A weak tag never matches here (RFC 9110, 13.1.1).
        None if expected is None else frozenset(e.value for e in expected if not e.is_weak),
        absent=excluded is not None and any(each.value == "*" for each in excluded),
    )


def is_known(request: web.Request, tag: str) -> bool:
    """Whether the client says that it has what this is the tag of (RFC 9110, 13.1.2)."""
    return any(each.value in (tag, "*") for each in request.if_none_match or ())


def not_modified(etag: ETag) -> web.Response:
    """Return the answer to somebody who has it already."""
    response = web.Response(status=304)
    response.etag = etag
    return response
