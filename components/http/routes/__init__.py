"""The handlers: they parse a request, call the engine, and wrap its result.

They contain no `try` except for errors in the middle of a stream, and decide nothing.
"""
