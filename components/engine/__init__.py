"""What happens to configurations and deployments: the rules, over a store and a builder.

Nothing here may know of HTTP, of Kubernetes, or of which store or builder it has: no web
framework, no client library, only the two interfaces in `backends`. All state is in the store.
"""
