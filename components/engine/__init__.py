"""The engine: configurations, deployments and their reconciliation.

The packages, from the top down: `loop` reconciles every open deployment and serves the requests
that wait for one; `creation` creates deployments; `deployments` has the model of a deployment and
its reconciliation (`reconcile`, `plan`, `merge`); `queue` decides which deployment may start;
`builds` starts, finds, queries and cancels builds; `configurations` stores a tool's configuration.
`make lint` enforces this order.

Nothing here may depend on HTTP, on Kubernetes, or on how a store or a builder works.
"""
