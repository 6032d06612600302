"""A tool's one configuration, and the ones before it: reading, replacing and deleting them.

What a configuration may say is not decided here but in `components.configuration`.
"""
