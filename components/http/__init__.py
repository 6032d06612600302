"""The HTTP API: routes, who may use them, and how answers and errors are put in their envelope.

Nothing here may decide what happens to a deployment, or know what keeps or builds it: handlers
take a request apart, call the engine, and wrap its answer. They contain no `try`.
"""
