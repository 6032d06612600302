"""The live instances of the service, so that they can share work.

`base` is the interface, `rendezvous` assigns each key to one instance; each other module is one way
to discover instances. What the work is does not belong here.
"""
