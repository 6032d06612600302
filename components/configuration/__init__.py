"""A tool's configuration: parsing, validation and the published schema.

Pure functions over values: nothing here may wait, store, or depend on HTTP or deployments.
"""
