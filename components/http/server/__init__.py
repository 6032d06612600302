"""The listener, its connections, and TLS.

Nothing here knows what a request is for.
"""
