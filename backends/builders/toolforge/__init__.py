"""Toolforge's builds service as a builder, over HTTP.

`builder` is the builder; `search` finds a request's build, and `existing` one that need not be
started; `payloads` converts requests and responses; `api` makes one call, and `errors` classifies
its errors; `files` loads the client's certificate.
"""

from backends.builders.toolforge.builder import ToolforgeBuilder

__all__ = ["ToolforgeBuilder"]
