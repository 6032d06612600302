"""Creating deployments, from the stored configuration or from an earlier deployment.

Nothing here starts a build itself or changes the state of a stored deployment: `reconcile` does.
"""
