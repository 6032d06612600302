"""Stores keep documents that belong to a tool.

`base` is the interface; each other module is one store.

What a document means does not belong here: a store knows kinds, names, versions and states only.
"""
