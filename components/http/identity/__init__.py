"""Authentication and authorization: who calls, what they may do, hosts, origins.

`needs` says what each route needs, and nothing else in the project decides who may do what. Nothing
here may know how a route does it.
"""
