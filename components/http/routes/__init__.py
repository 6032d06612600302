"""The handlers: they take a request apart, call the engine, and wrap its answer.

They contain no `try` but for what breaks off in the middle of a stream, and decide nothing.
"""
