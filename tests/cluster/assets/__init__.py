"""The control plane that the cluster tests run on, built from its Go modules.

Here are only its versions (`go.mod`, `go.sum`), the few lines that make a program of each module,
and what builds them. Nothing of their source may live here, and nothing here knows the service.
"""
