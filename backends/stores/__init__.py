"""Stores keep documents that belong to a tool.

`base` is the interface; `memory` and `kubernetes` are the stores, and the others belong to the
latter.

What a document means does not belong here: a store knows kinds, names, versions and states only.
"""
