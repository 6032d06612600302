"""The OpenAPI document and its page, from the declarations of the routes.

No handler of the API belongs here.
"""
