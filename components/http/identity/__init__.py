"""Authentication and authorization: subjects, hosts, origins.

Nothing here may know what a route does.
"""
