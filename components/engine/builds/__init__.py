"""The builds of a deployment: starting, finding, querying and cancelling them.

All calls of a builder during a step are here. Nothing here may store anything, or decide what to
do: the plan does.
"""
