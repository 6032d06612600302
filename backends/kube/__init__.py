"""The Kubernetes API as raw JSON: one connection, its errors, and its clock.

All knowledge of how the API server and its client library fail is here. What is stored or run in
the cluster does not belong here.
"""
