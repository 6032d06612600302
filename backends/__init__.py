"""The replaceable backends: stores (documents), builders, runners, members (live instances).

Beside them, `sources` fetches configurations from where their users say.

Nothing here knows of deployments, configurations or HTTP, and nothing here imports from
`components`: you can use, test and replace a backend without the service.
"""
