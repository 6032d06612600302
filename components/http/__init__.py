"""The HTTP API: routes, authorization, and the envelope of responses and errors.

Nothing here may decide what happens to a deployment, or know the store or the builder. Handlers
parse a request, call the engine, and wrap its result. They contain no `try`.
"""
