"""Parsing requests: bodies, query parameters, conditions, and the options of a deployment.

Nothing here may call the engine.
"""
