"""What a request says: bodies, query parameters, conditions, and the options of a deploy.

Nothing here may call the engine.
"""
