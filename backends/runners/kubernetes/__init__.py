"""A runner in the cluster: plain objects in the tool's namespace, and no state but those.

`runner` is the runner. `template` is what the operator says of pods, `objects` makes of it and of a
wanted state what is applied, `record` is what the annotations of an object tell. `applying` and
`removing` change objects, `api` sends that. `listing` asks how things are: by `health` and `drift`,
and where something is not well, by `pods` in words.
"""
