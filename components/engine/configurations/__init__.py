"""A tool's configuration and its history: reading, replacing and deleting.

Validation belongs in `components.configuration`.
"""
