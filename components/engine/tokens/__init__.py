"""Tokens of a tool: making, checking and revoking them.

What a token's scopes permit on a route does not belong here, nor how a token is sent.
"""
