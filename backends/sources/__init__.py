"""Fetching a configuration from where its `source_url` says.

What was fetched is bytes here: nothing in this package reads or validates it.
"""
