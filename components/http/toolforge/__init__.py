"""The second face: the interface of Toolforge's components service, on the same engine.

`states` and `translation` say what a deployment is there, `sentences` what it tells people, and
`errors` how errors look. What a deployment does, and what is stored, is not decided here; outside
of this room, only `app` and `identity` know of it.
"""
