"""The queue of a tool: the order in which deployments were accepted, and idempotency keys.

`state` derives the order from what is stored; `reservation` reserves a position with one
conditional write; `admission` admits waiting deployments. Nothing here may start a build.
"""
