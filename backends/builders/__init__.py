"""Builders turn a source into a container image.

`base` is the interface; each other module is one builder.

What a deployment is does not belong here: a builder knows builds of a tool's components only.
"""
