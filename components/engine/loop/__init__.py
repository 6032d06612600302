"""The background loop that reconciles deployments, and refreshes shared by concurrent requests.

Nothing here may decide what the next step of a deployment is.
"""
