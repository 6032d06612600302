"""The Kubernetes API as raw JSON: one connection, its errors, and its clock.

The one place that knows how the API server and its client library fail. What is stored or run in
the cluster does not belong here.
"""
