"""Toolforge's builds service as a builder, over HTTP.

`builder` is the builder; `search` finds a request's build, and `existing` one that need not be
started; `payloads` converts requests and responses. The calls themselves are made by
`backends.toolforge`.
"""

from backends.builders.toolforge.builder import ToolforgeBuilder

__all__ = ["ToolforgeBuilder"]
