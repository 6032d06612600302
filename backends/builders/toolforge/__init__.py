"""Toolforge's builds service as a builder, over HTTP.

`builder` is the builder; `search` says which of the service's builds is a request's; `answers` is
what the service is told and what it says; `api` makes one call, and `errors` says what came of it;
`files` are those of the client's certificate.
"""

from backends.builders.toolforge.builder import ToolforgeBuilder

__all__ = ["ToolforgeBuilder"]
