"""Who else runs: the live instances of the service, so that they can share work.

`base` is the interface, `rendezvous` says whose something is; each other module is one way to know.
What the work is does not belong here.
"""
