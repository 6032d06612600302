"""Responses: the envelope, the schemas, and deployments as responses.

Nothing here may read a request.
"""
