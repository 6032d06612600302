"""The OpenAPI document and its page: what each route says of itself.

No handler of the API belongs here.
"""
