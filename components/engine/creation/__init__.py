"""What a new deployment is to be, and making it: of the stored configuration or of an earlier one.

Nothing here starts a build by itself or moves a deployment that is stored: that is `reconcile`'s.
"""
