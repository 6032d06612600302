"""A runner in the cluster: plain objects in the tool's namespace, and no state but those.

`runner` is the runner. `template` is what the operator says of pods, `objects` makes of it and of a
wanted state what is applied, `record` is what the annotations of an object tell. `applying`
changes and deletes objects, `api` sends that. `listing` asks how things are: by `health`, by drift
(`fields`), and where something is not well, by `pods` in words.
"""
