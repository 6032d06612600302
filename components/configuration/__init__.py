"""What a tool's configuration may say: how it is read, checked and published as a schema.

Pure functions over values: nothing here may wait, store, or know of HTTP or of deployments.
"""
