"""Moving deployments on though nobody asks, and what is shared by all who wait for them.

Nothing here may decide what a step of a deployment is.
"""
