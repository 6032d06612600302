"""Builders turn a source into a container image.

`base` is the interface; each other module is one builder.

Deployments do not belong here: a builder only knows the builds of a tool's components.
"""
