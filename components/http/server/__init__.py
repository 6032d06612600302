"""The listener, its connections, and TLS.

Nothing here knows what is asked.
"""
