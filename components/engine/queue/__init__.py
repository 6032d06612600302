"""Whose turn it is: the order in which a tool's deployments were accepted, and keys of requests.

`state` is a pure function of what is stored; `reservation` takes a place with one conditional
write; `admission` lets in who has waited. Nothing here may start a build.
"""
