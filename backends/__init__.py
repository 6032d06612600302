"""The replaceable backends: stores (documents), builders (images), members (live instances).

Nothing here knows of deployments, configurations or HTTP, and nothing here imports from
`components`: you can use, test and replace a backend without the service.
"""
