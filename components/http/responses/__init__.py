"""What an answer looks like: the envelope, the schemas, and a deployment as a response.

Nothing here may look at a request.
"""
