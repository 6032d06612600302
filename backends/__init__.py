"""What can be swapped: where documents are kept (stores) and what builds images (builders).

Nothing here knows of deployments, configurations or HTTP, and nothing here imports from
`components`: a backend can be used, tested and replaced without the service around it.
"""
