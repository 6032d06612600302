"""The queue of a tool: the order in which deployments were accepted, and idempotency keys.

`state` derives the order from what is stored; `reservation` reserves a position with one
conditional write; `admission` admits waiting deployments; `rollout` decides
whose run phase it is. Nothing here may start a build.
"""
