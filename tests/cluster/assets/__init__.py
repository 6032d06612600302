"""The control plane for the cluster tests, built from its Go modules.

This only has the versions (`go.mod`, `go.sum`), the few lines that make a program of each module,
and the build. None of their source may live here, and nothing here depends on the service.
"""
